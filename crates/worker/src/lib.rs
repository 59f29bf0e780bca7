//! The worker: link to vision to link, on its own threads.
