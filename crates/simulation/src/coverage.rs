//! Which fault met images in which state, and how often: a simulator that never crashes a manager between an answer and its
//! record has not shown that such a crash does no harm.

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A worker's process dies; another takes its place, or none.
    WorkerCrash,
    /// A slot never comes back.
    WorkerHang,
    /// A worker becomes ten times slower.
    WorkerSlow,
    /// A worker's process does nothing for a while, and goes on.
    WorkerStop,
    /// A worker says for a while that it cannot.
    WorkerAnnounces,
    /// A worker's own code panics.
    WorkerPanic,
    /// A worker is told to go, and comes back as another process.
    WorkerLeaves,
    /// A connection breaks; both ends learn of it.
    LinkCut,
    /// A connection breaks, and only the worker learns of it.
    LinkHalfOpenManager,
    /// A connection breaks, and only the manager learns of it.
    LinkHalfOpenWorker,
    /// A link carries nothing for a while.
    LinkStalled,
    /// Bytes take long, in one direction more than in the other.
    LinkSlow,
    /// The manager's process dies and is started again.
    ManagerCrash,
    /// The manager's process does nothing for a while, and goes on.
    ManagerStop,
    /// The manager is shut down in order and started again.
    ManagerRestart,
    /// The disk takes nothing new for a while; or nothing at all.
    DiskFull,
    /// Commits take seconds.
    DiskSlow,
    /// A commit fails, and may have been written nevertheless.
    CommitFails,
    /// The bytes of an image cannot be read back.
    ReadFails,
    /// A person cancels an image.
    Cancel,
    /// A person runs an image again.
    Again,
    /// A person deletes an image.
    Delete,
    /// A person deletes a batch.
    DeleteBatch,
}

/// Where an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It has its number and is not durable. (It may be with a worker already, and is then counted there too.)
    Uploading,
    /// With nobody.
    Waiting,
    /// Its bytes are read for a delivery.
    Reading,
    /// Handed to the link, and not at the worker.
    Sent,
    /// In the worker's queue.
    Received,
    /// In a slot.
    Started,
    /// Reported by a worker, and not in the books.
    Answered,
    /// In the books, and the worker does not know that yet.
    Recorded,
    /// In the books, and acknowledged.
    Ended,
}

impl Fault {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 23] = [
        Self::WorkerCrash,
        Self::WorkerHang,
        Self::WorkerSlow,
        Self::WorkerStop,
        Self::WorkerAnnounces,
        Self::WorkerPanic,
        Self::WorkerLeaves,
        Self::LinkCut,
        Self::LinkHalfOpenManager,
        Self::LinkHalfOpenWorker,
        Self::LinkStalled,
        Self::LinkSlow,
        Self::ManagerCrash,
        Self::ManagerStop,
        Self::ManagerRestart,
        Self::DiskFull,
        Self::DiskSlow,
        Self::CommitFails,
        Self::ReadFails,
        Self::Cancel,
        Self::Again,
        Self::Delete,
        Self::DeleteBatch,
    ];

    /// As the table calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkerCrash => "worker crashes",
            Self::WorkerHang => "slot hangs",
            Self::WorkerSlow => "worker 10 times slower",
            Self::WorkerStop => "worker stopped for a while",
            Self::WorkerAnnounces => "worker says it cannot",
            Self::WorkerPanic => "worker's code panics",
            Self::WorkerLeaves => "worker leaves, another comes",
            Self::LinkCut => "connection lost",
            Self::LinkHalfOpenManager => "lost, only the worker knows",
            Self::LinkHalfOpenWorker => "lost, only the manager knows",
            Self::LinkStalled => "link carries nothing for a while",
            Self::LinkSlow => "link slow, one way more",
            Self::ManagerCrash => "manager crashes",
            Self::ManagerStop => "manager stopped for a while",
            Self::ManagerRestart => "manager restarted in order",
            Self::DiskFull => "disk full",
            Self::DiskSlow => "commits take seconds",
            Self::CommitFails => "commit fails",
            Self::ReadFails => "bytes cannot be read",
            Self::Cancel => "cancelled by a person",
            Self::Again => "run again by a person",
            Self::Delete => "deleted by a person",
            Self::DeleteBatch => "batch deleted by a person",
        }
    }

    /// Why this fault cannot meet an image in that state; `None` where it must.
    #[must_use]
    pub fn cannot_meet(self, stage: Stage) -> Option<&'static str> {
        let nothing_there = "the worker has nothing of it";
        match self {
            Self::WorkerCrash
            | Self::WorkerHang
            | Self::WorkerSlow
            | Self::WorkerStop
            | Self::WorkerAnnounces
            | Self::WorkerPanic
            | Self::WorkerLeaves
            | Self::LinkCut
            | Self::LinkHalfOpenManager
            | Self::LinkHalfOpenWorker
            | Self::LinkStalled
            | Self::LinkSlow => {
                matches!(stage, Stage::Waiting | Stage::Reading | Stage::Ended).then_some(nothing_there)
            }
            Self::ReadFails => (stage != Stage::Reading).then_some("it is the reading that fails"),
            Self::Again => {
                (!matches!(stage, Stage::Recorded | Stage::Ended)).then_some("only what has ended is run again")
            }
            Self::Cancel => match stage {
                Stage::Uploading => Some("nobody knows of it yet"),
                Stage::Recorded | Stage::Ended => Some("only what has not ended is cancelled"),
                _ => None,
            },
            Self::Delete => (stage == Stage::Uploading).then_some("nobody knows of it yet"),
            Self::ManagerCrash
            | Self::ManagerStop
            | Self::ManagerRestart
            | Self::DiskFull
            | Self::DiskSlow
            | Self::CommitFails
            | Self::DeleteBatch => None,
        }
    }
}

impl Stage {
    /// All of them, in the order of an image's life.
    pub const ALL: [Self; 9] = [
        Self::Uploading,
        Self::Waiting,
        Self::Reading,
        Self::Sent,
        Self::Received,
        Self::Started,
        Self::Answered,
        Self::Recorded,
        Self::Ended,
    ];

    /// As the table calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uploading => "not durable",
            Self::Waiting => "waiting",
            Self::Reading => "reading",
            Self::Sent => "sent",
            Self::Received => "received",
            Self::Started => "started",
            Self::Answered => "answered",
            Self::Recorded => "recorded",
            Self::Ended => "ended",
        }
    }
}

/// The table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage([[u64; Stage::ALL.len()]; Fault::ALL.len()]);

impl Default for Coverage {
    fn default() -> Self {
        Self([[0; Stage::ALL.len()]; Fault::ALL.len()])
    }
}

impl Coverage {
    /// The fault met so many images in that state.
    pub(crate) fn met(&mut self, fault: Fault, stage: Stage) {
        self.0[fault as usize][stage as usize] += 1;
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().flatten().zip(other.0.iter().flatten()) {
            *mine += theirs;
        }
    }

    /// Cells that a fault must meet and has not.
    #[must_use]
    pub fn missing(&self) -> Vec<(Fault, Stage)> {
        let cells = Fault::ALL.into_iter().flat_map(|fault| Stage::ALL.map(|stage| (fault, stage)));
        cells
            .filter(|(fault, stage)| {
                self.0[*fault as usize][*stage as usize] == 0 && fault.cannot_meet(*stage).is_none()
            })
            .collect()
    }

    /// As a table in Markdown, and below it why some cells are empty.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::from("| fault |");
        Stage::ALL.iter().for_each(|stage| text += &format!(" {} |", stage.name()));
        text += "\n|---|";
        Stage::ALL.iter().for_each(|_| text += "---:|");
        let mut reasons: Vec<&'static str> = Vec::new();
        for fault in Fault::ALL {
            text += &format!("\n| {} |", fault.name());
            for stage in Stage::ALL {
                let count = self.0[fault as usize][stage as usize];
                text += &match (count, fault.cannot_meet(stage)) {
                    (0, Some(reason)) => {
                        let at = reasons.iter().position(|known| *known == reason).unwrap_or_else(|| {
                            reasons.push(reason);
                            reasons.len() - 1
                        });
                        format!(" ({}) |", char::from(b'a' + at as u8))
                    }
                    _ => format!(" {count} |"),
                };
            }
        }
        text.push('\n');
        for (at, reason) in reasons.iter().enumerate() {
            text += &format!("\n({}) {reason}", char::from(b'a' + at as u8));
        }
        text
    }
}
