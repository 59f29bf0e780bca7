-- Books that the program of schema 2 left on 28 November 2026, as SQLite's shell writes them out: three images answered, one of
-- them taken back to waiting, one that was never answered, one refused, one deleted. Their bytes are in schema_2.pack.
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE books (
    id BLOB NOT NULL,
    seq_ceiling INTEGER NOT NULL,
    image_ceiling INTEGER NOT NULL
);
INSERT INTO books VALUES(X'1387006c7427d6556004f77616410190',65553,7);
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
    kept_bytes INTEGER NOT NULL DEFAULT 0,
    model BLOB,
    model_name TEXT
);
INSERT INTO batches VALUES(1,'3Wmi6p5emCXXNrcpuEwreu',16,1795873983584286,1795873983649963,1795873983591585,1795873983622461,5,2,2,0,1,0,1,3,306,408,X'fefefefefefefefefefefefefefefefefefefefefefefefe00000000000003e8','none (1 ms an image)');
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
    timing TEXT,
    run INTEGER NOT NULL DEFAULT 0,
    model TEXT
);
INSERT INTO images VALUES(1,1,5,2,'photo-0.bmp',90,X'b677060f74957bee7ea88920cb46ce564cee36a19ab65e39e4749da1e4bad1ff','image/bmp',4,3,1795873983591585,1,0,'[{"index":182,"name":"sha256:b677060f74957bee","probability":1.0}]','worker-2',1,NULL,NULL,'{"upload":1.98,"waiting":0.0,"sending":0.185,"receive":0.0,"worker_queue":0.027,"decoding":0.0,"inference":1.188,"returning":0.283,"total":3.663}',0,'none (1 ms an image)');
INSERT INTO images VALUES(2,1,13,0,'photo-1.bmp',102,X'd839b42f97590742c11f9faeda3c62186807c32082ea4254b6e86fe88caa152b','image/bmp',4,4,1795873983600721,1,90,NULL,NULL,1,NULL,NULL,NULL,1,NULL);
INSERT INTO images VALUES(3,1,11,2,'photo-2.bmp',114,X'6efd24d824d7a6b0adbdba0430bdab81ecfe0d18b6179053bd2f4945d1ddc6fb','image/bmp',4,5,1795873983612790,1,192,'[{"index":110,"name":"sha256:6efd24d824d7a6b0","probability":1.0}]','worker-2',1,NULL,NULL,'{"upload":0.414,"waiting":0.0,"sending":0.487,"receive":0.0,"worker_queue":0.025,"decoding":0.0,"inference":5.81,"returning":0.283,"total":7.018999999999999}',0,'none (1 ms an image)');
INSERT INTO images VALUES(4,1,12,4,'notes.txt',8,X'453361fd925712bb2f4ef496dfa3480f0d7a1e22fc15dc69e72aeb8086c135ce',NULL,NULL,NULL,1795873983624315,NULL,NULL,NULL,NULL,0,'not_an_image','The file is not an image.',NULL,0,NULL);
INSERT INTO images VALUES(5,1,14,0,'late.bmp',102,X'e76688203e51c09c8c98190ff4937303806592f715b88ed086ea99bdcc371de4','image/bmp',4,4,1795873983646350,1,306,NULL,NULL,0,NULL,NULL,NULL,0,NULL);
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
INSERT INTO idempotency VALUES(1,'a-key',1,1);
CREATE TABLE condemned (number INTEGER PRIMARY KEY);
CREATE TABLE packs (
    number INTEGER PRIMARY KEY,
    end INTEGER NOT NULL,
    live INTEGER NOT NULL
);
INSERT INTO packs VALUES(1,510,4);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('batches',1);
CREATE INDEX batches_finished ON batches (changed) WHERE waiting = 0;
CREATE INDEX images_of_batch ON images (batch);
CREATE INDEX images_known ON images (batch, sha256) WHERE pack IS NOT NULL;
CREATE INDEX images_unfinished ON images (batch) WHERE state = 0;
PRAGMA user_version = 2;
COMMIT;
