//! How long people wait who come when they like, against a queue that is nothing but a queue: the same arrivals, and the same
//! service times as the worker told, at as many servers as it has slots, first come first served.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use manyeyes_load::Arrivals;

use crate::Figure;
use crate::cluster::{Client, Cluster};
use crate::statistics::quantile;

/// Requests of one measurement: the 99th percentile is of the slowest fifteen.
const REQUESTS: usize = 1500;
/// How much of what the cluster can do is asked of it.
const LOADS: [(f64, &str); 2] = [
    (0.6, "p99 at 60 % of capacity / of a simulated queue with the same service"),
    (0.8, "p99 at 80 % of capacity / of a simulated queue with the same service"),
];
/// The closed loop that finds the capacity.
const CLOSED: usize = 8;
const CLOSED_FOR: Duration = Duration::from_secs(10);

/// One request: when it was due, how long it took from then, and how long a slot worked on it, in seconds.
#[derive(Clone, Copy)]
struct Request {
    due_s: f64,
    took_s: f64,
    service_s: f64,
}

pub(crate) fn measure(files: &[Vec<u8>]) -> Vec<Figure> {
    let cluster = Cluster::up(1);
    let slots = cluster.get("/api/v1/workers")["workers"][0]["slots"].as_u64().expect("a worker has slots") as usize;
    let capacity = capacity(&cluster, files);
    let figure = |(share, name)| {
        let requests = open_loop(&cluster, files, share * capacity);
        let measured = quantile(&requests.iter().map(|request| request.took_s).collect::<Vec<_>>(), 0.99);
        let simulated = quantile(&queue(&requests, slots), 0.99);
        let ratio = measured / simulated;
        Figure {
            name,
            measured: format!("{ratio:.2} ({:.0} / {:.0} ms)", measured * 1e3, simulated * 1e3),
            aim: "<= 1.2",
            met: ratio <= 1.2,
        }
    };
    eprintln!("  capacity {capacity:.1} images/s, {slots} slots");
    LOADS.into_iter().map(figure).collect()
}

fn capacity(cluster: &Cluster, files: &[Vec<u8>]) -> f64 {
    let began = Instant::now();
    let answered: usize = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLOSED)
            .map(|number| {
                scope.spawn(move || {
                    let (mut client, mut answered) = (cluster.client(), 0);
                    while began.elapsed() < CLOSED_FOR {
                        send(&mut client, &files[(number + answered) % files.len()]);
                        answered += 1;
                    }
                    answered
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("no panic")).sum()
    });
    answered as f64 / began.elapsed().as_secs_f64()
}

fn open_loop(cluster: &Cluster, files: &[Vec<u8>], per_s: f64) -> Vec<Request> {
    let (requests, began) = (Mutex::new(Vec::new()), Instant::now());
    thread::scope(|scope| {
        for (number, due) in Arrivals::poisson(per_s, 1).take(REQUESTS).enumerate() {
            thread::sleep(due.saturating_sub(began.elapsed()));
            let requests = &requests;
            scope.spawn(move || {
                let service_s = send(&mut cluster.client(), &files[number % files.len()]);
                let took_s = began.elapsed().saturating_sub(due).as_secs_f64();
                requests.lock().expect("no panic").push(Request { due_s: due.as_secs_f64(), took_s, service_s });
            });
        }
    });
    let mut requests = requests.into_inner().expect("no panic");
    requests.sort_by(|a, b| a.due_s.total_cmp(&b.due_s));
    requests
}

/// Has a picture recognised, and gives the seconds that a slot worked on it.
fn send(client: &mut Client, file: &[u8]) -> f64 {
    let (status, image) = client.send("POST", "/api/v1/classify", file);
    assert_eq!(status, 200, "{image}");
    let part = |name: &str| image["timing_ms"][name].as_f64().expect("a part of the time");
    (part("decoding") + part("inference")) / 1e3
}

/// The seconds that each would have taken in a queue before so many servers.
fn queue(requests: &[Request], servers: usize) -> Vec<f64> {
    let mut free_at = vec![0.0_f64; servers];
    let took = |request: &Request| {
        let first = free_at.iter_mut().min_by(|a, b| a.total_cmp(b)).expect("a server");
        *first = first.max(request.due_s) + request.service_s;
        *first - request.due_s
    };
    requests.iter().map(took).collect()
}
