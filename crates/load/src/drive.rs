//! One measurement, carried out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until};

use crate::arrivals::Arrivals;
use crate::tally::Tally;
use crate::target::{Outcome, Picture, Target};

/// The most requests under way in an open loop. Beyond it what is due is not sent, and counted as that: the client's memory and sockets are
/// finite too.
const MOST_UNDER_WAY: usize = 4096;

/// When requests start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// When they are due, so many a second.
    Open {
        /// Requests a second, on average.
        rate_per_s: f64,
        /// At even distances, instead of as strangers come.
        even: bool,
    },
    /// When another has ended, so many at a time.
    Closed {
        /// Requests under way.
        concurrency: usize,
    },
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// When requests start.
    pub pace: Pace,
    /// For how long before anything counts.
    pub warm_up: Duration,
    /// For how long it counts.
    pub measured: Duration,
    /// Of the moments at which requests are due.
    pub seed: u64,
}

/// Sends pictures in turn, as planned, and says what came of it. Returns when the last has been answered, or given up.
///
/// # Panics
/// Without pictures: there is nothing to send.
pub async fn drive(target: &Target, pictures: &[Picture], plan: &Plan) -> Tally {
    assert!(!pictures.is_empty(), "there is nothing to send");
    let begin = Instant::now() + plan.warm_up;
    let run = Rc::new(Run {
        target: target.clone(),
        pictures: pictures.to_vec(),
        next: Cell::new(0),
        begin,
        end: begin + plan.measured,
        tally: RefCell::default(),
    });
    let work = async {
        match plan.pace {
            Pace::Open { rate_per_s, even: true } => run.clone().open(Arrivals::even(rate_per_s)).await,
            Pace::Open { rate_per_s, even: false } => run.clone().open(Arrivals::poisson(rate_per_s, plan.seed)).await,
            Pace::Closed { concurrency } => run.clone().closed(concurrency).await,
        }
    };
    LocalSet::new().run_until(work).await;
    run.tally.take()
}

struct Run {
    target: Target,
    pictures: Vec<Picture>,
    next: Cell<usize>,
    begin: Instant,
    end: Instant,
    tally: RefCell<Tally>,
}

impl Run {
    async fn closed(self: Rc<Self>, concurrency: usize) {
        let mut clients = JoinSet::new();
        for _ in 0..concurrency {
            let run = Rc::clone(&self);
            clients.spawn_local(async move {
                while Instant::now() < run.end {
                    let begun = Instant::now();
                    run.send(begun, begun).await;
                }
            });
        }
        self.tally.borrow_mut().under_way(concurrency);
        clients.join_all().await;
    }

    async fn open(self: Rc<Self>, arrivals: Arrivals) {
        let start = Instant::now();
        let mut under_way = JoinSet::new();
        for due in arrivals.map(|after| start + after).take_while(|due| *due < self.end) {
            sleep_until(due).await;
            while under_way.try_join_next().is_some() {}
            if under_way.len() >= MOST_UNDER_WAY {
                let not_sent = Outcome::Wrong(format!("not sent: {MOST_UNDER_WAY} were under way"));
                self.count(&not_sent, due, due);
                continue;
            }
            let run = Rc::clone(&self);
            under_way.spawn_local(async move { run.send(due, Instant::now()).await });
            self.tally.borrow_mut().under_way(under_way.len());
        }
        under_way.join_all().await;
    }

    async fn send(&self, due: Instant, begun: Instant) {
        let turn = self.next.replace(self.next.get().wrapping_add(1));
        let outcome = self.target.ask(&self.pictures[turn % self.pictures.len()]).await;
        self.count(&outcome, due, begun);
    }

    fn count(&self, outcome: &Outcome, due: Instant, begun: Instant) {
        let (now, counts) = (Instant::now(), self.begin..self.end);
        let mut tally = self.tally.borrow_mut();
        if counts.contains(&due) {
            tally.ended(outcome, now - due, begun - due);
        }
        if *outcome == Outcome::Right && counts.contains(&now) {
            tally.came_within();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::post;
    use bytes::Bytes;

    use super::*;
    use crate::target::{Connections, Form};

    const MS: Duration = Duration::from_millis(1);

    /// A server on a port of its own, which answers by this.
    async fn served(router: Router) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/")
    }

    async fn driven(url: &str, pace: Pace, measured: Duration) -> Tally {
        let target = Target::new(url, Form::Body, None, Connections::Kept, Duration::from_secs(20)).unwrap();
        let picture = target.picture("a.jpg", Bytes::from_static(b"\xff\xd8"));
        let plan = Plan { pace, warm_up: Duration::ZERO, measured, seed: 1 };
        drive(&target, &[picture], &plan).await
    }

    #[tokio::test]
    async fn a_closed_loop_has_as_many_under_way_as_it_was_told() {
        let (here, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let router = Router::new().route(
            "/",
            post({
                let most = Arc::clone(&most);
                async move || {
                    most.fetch_max(here.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(20 * MS).await;
                    here.fetch_sub(1, Ordering::SeqCst);
                    "done"
                }
            }),
        );
        let tally = driven(&served(router).await, Pace::Closed { concurrency: 5 }, 300 * MS).await;
        assert_eq!(most.load(Ordering::SeqCst), 5);
        assert!(tally.right() >= 5 && tally.wrong().is_empty(), "{tally:?}");
        assert!(tally.latency_ms(0.0).unwrap() >= 19.0);
    }

    /// The server takes one request at a time, so that each waits for those before it: its time counts from when it was due, although by
    /// then the client had long sent it.
    #[tokio::test]
    async fn in_an_open_loop_a_stall_is_charged_to_all_that_were_due_meanwhile() {
        let (stalled, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Mutex::new(())));
        let router = Router::new().route(
            "/",
            post(async move || {
                let _alone = gate.lock().await;
                // The first stalls.
                if stalled.fetch_add(1, Ordering::SeqCst) == 0 {
                    tokio::time::sleep(500 * MS).await;
                }
                "done"
            }),
        );
        let tally = driven(&served(router).await, Pace::Open { rate_per_s: 100.0, even: true }, 500 * MS).await;
        assert_eq!(tally.right(), 49, "all that were due before the end");
        let median = tally.latency_ms(0.5).unwrap();
        assert!(median > 150.0, "half of them were due in the first half of the stall: {median} ms");
        assert!(tally.most_under_way() > 40);
    }

    #[tokio::test]
    async fn what_is_refused_is_counted_by_its_status_and_has_no_time() {
        let router = Router::new().route("/", post(async || StatusCode::TOO_MANY_REQUESTS));
        let tally = driven(&served(router).await, Pace::Open { rate_per_s: 200.0, even: true }, 100 * MS).await;
        assert_eq!((tally.right(), tally.within(), tally.wrong()["429"]), (0, 0, 19));
    }

    #[tokio::test]
    async fn where_nobody_listens_each_request_says_so() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let pace = Pace::Open { rate_per_s: 200.0, even: true };
        let tally = driven(&format!("http://{free}/"), pace, 50 * MS).await;
        assert!(tally.wrong().keys().all(|why| why.contains("refused")), "{:?}", tally.wrong());
        assert_eq!(tally.right(), 0);
    }
}
