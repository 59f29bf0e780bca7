-- Books as the program of schema 1 made them: one batch, an image in each state, a blame and an idempotency key.
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE books (
    id BLOB NOT NULL,
    seq_ceiling INTEGER NOT NULL,
    image_ceiling INTEGER NOT NULL
);
CREATE TABLE batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    seq INTEGER NOT NULL,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    first_upload INTEGER,
    last_answer INTEGER,
    total INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER NOT NULL DEFAULT 0,
    recognised INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    answered_images INTEGER NOT NULL DEFAULT 0,
    answered_bytes INTEGER NOT NULL DEFAULT 0,
    kept_bytes INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX batches_finished ON batches (changed) WHERE waiting = 0;
CREATE TABLE images (
    id INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    state INTEGER NOT NULL,
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 BLOB,
    media_type TEXT,
    width INTEGER,
    height INTEGER,
    began INTEGER NOT NULL,
    pack INTEGER,
    place INTEGER,
    labels TEXT,
    worker TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    error_code TEXT,
    error_message TEXT,
    timing TEXT
);
CREATE INDEX images_of_batch ON images (batch);
CREATE INDEX images_known ON images (batch, sha256) WHERE pack IS NOT NULL;
CREATE INDEX images_unfinished ON images (batch) WHERE state = 0;
CREATE TABLE blames (
    image INTEGER NOT NULL,
    worker TEXT NOT NULL,
    PRIMARY KEY (image, worker)
) WITHOUT ROWID;
CREATE TABLE idempotency (
    batch INTEGER NOT NULL,
    key TEXT NOT NULL,
    first_image INTEGER NOT NULL,
    images INTEGER NOT NULL,
    PRIMARY KEY (batch, key)
) WITHOUT ROWID;
CREATE TABLE condemned (number INTEGER PRIMARY KEY);
CREATE TABLE packs (
    number INTEGER PRIMARY KEY,
    end INTEGER NOT NULL,
    live INTEGER NOT NULL
);
INSERT INTO books (id, seq_ceiling, image_ceiling) VALUES (x'000102030405060708090a0b0c0d0e0f', 5000, 2000);
INSERT INTO batches (id, seq, created, changed, first_upload, last_answer, total, waiting, recognised, failed, rejected, answered_images, answered_bytes, kept_bytes)
    VALUES ('a-batch-of-before', 9, 1700000000000000, 1700000009000000, 1700000001000000, 1700000009000000, 4, 1, 1, 1, 1, 1, 5, 15);
INSERT INTO images (id, batch, seq, state, name, bytes, sha256, media_type, width, height, began, pack, place, labels, worker, attempts, error_code, error_message, timing) VALUES
    (7, 1, 6, 2, 'cat.jpg', 5, x'51e467415607798220a3776f6ae1a2a09ddc7e5dcdc955d685477b4cf05ade22', 'image/jpeg', 640, 480, 1700000001000000, 0, 0,
     '[{"index":281,"name":"tabby","probability":0.75}]', 'worker-2', 1, NULL, NULL, '{"total":8.5}'),
    (8, 1, 7, 3, 'dog.jpg', 5, NULL, 'image/jpeg', 640, 480, 1700000001000000, 0, 0, NULL, NULL, 3, 'worker_failures', 'It crashed two workers.', NULL),
    (9, 1, 8, 0, 'cow.jpg', 5, NULL, 'image/jpeg', 640, 480, 1700000001000000, 0, 0, NULL, NULL, 1, NULL, NULL, NULL),
    (10, 1, 9, 4, 'notes.txt', 7, NULL, NULL, NULL, NULL, 1700000001000000, NULL, NULL, NULL, NULL, 0, 'not_an_image', 'It is none.', NULL);
INSERT INTO blames (image, worker) VALUES (9, 'worker-1');
INSERT INTO idempotency (batch, key, first_image, images) VALUES (1, 'a-key', 7, 4);
PRAGMA user_version = 1;
COMMIT;
