//! All the timers of a session: one enum, one table, and the settings they run by.

use std::time::Duration;

/// How long the timers of a session run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerSettings {
    /// How often a side that has nothing else to say says that it is there.
    pub heartbeat: Duration,
    /// How long a peer may send not a single byte before it counts as gone.
    pub silence: Duration,
    /// How long a connection may take to say Hello, and a Hello to be answered.
    pub handshake: Duration,
    /// The shortest wait for an answer before the manager asks after an assignment.
    pub resend_floor: Duration,
    /// The longest wait, however often the asking has doubled it.
    pub resend_ceiling: Duration,
    /// The wait before the first reconnect; each further one doubles it.
    pub reconnect_floor: Duration,
    /// The longest wait between reconnects.
    pub reconnect_ceiling: Duration,
}

impl Default for TimerSettings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(1),
            silence: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
            resend_floor: Duration::from_secs(1),
            resend_ceiling: Duration::from_secs(30),
            reconnect_floor: Duration::from_millis(100),
            reconnect_ceiling: Duration::from_secs(5),
        }
    }
}
