//! `/metrics`, in the text format of Prometheus
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).

use std::{fmt::Write, sync::atomic::Ordering::Relaxed};

use axum::{extract::State, http::header, response::IntoResponse, routing::get};

use super::{
    App,
    access::{Access, Routes},
};
use crate::api::{Worker, WorkerState};

pub(super) fn routes() -> Routes {
    Routes::new().route("/metrics", Access::Operator, get(metrics))
}

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics())
}

impl App {
    fn metrics(&self) -> String {
        let shared = &self.shared;
        let tally = &shared.results.tally;
        let mut text = Text::default();
        text.one("uptime_seconds", "gauge", "Since this manager started.", shared.started.elapsed().as_secs_f64());
        text.one("images_unfinished", "gauge", "Accepted and not ended.", shared.results.live.len() as f64);
        text.one("uploads", "gauge", "Requests that are bringing images.", shared.uploads.count() as f64);
        text.one("kept_bytes", "gauge", "Bytes of image files that are kept.", self.store().kept_bytes() as f64);
        let totals = [
            ("images_accepted_total", "Images accepted.", &tally.accepted),
            ("image_bytes_accepted_total", "Bytes of image files accepted.", &tally.accepted_bytes),
            ("images_rejected_total", "Images refused at the door.", &tally.rejected),
            ("requests_turned_away_total", "Requests answered 429 for want of a place.", &tally.turned_away),
            ("images_recognised_total", "Images recognised.", &tally.recognised),
            (
                "images_recognised_smaller_total",
                "Those of them that were recognised from a smaller form.",
                &tally.recognised_smaller,
            ),
            ("images_failed_total", "Images given up.", &tally.failed),
            ("deliveries_total", "Deliveries of images to workers.", &tally.assigned),
            ("requeued_total", "Deliveries that ended without an answer, their images waiting again.", &tally.requeued),
            ("repeated_results_total", "Late and repeated results, dropped.", &tally.repeated),
            ("answers_taken_back_total", "Answers of workers that were found to be wrong.", &tally.taken_back),
        ];
        for (name, help, counter) in totals {
            text.one(name, "counter", help, counter.load(Relaxed) as f64);
        }
        let (deliveries, (canaries, asked)) = (shared.engine.deliveries(), shared.engine.canaries());
        let decided = [
            ("steals_total", "Images taken from a worker that had not begun them to an idle one.", deliveries.steals),
            ("hedges_total", "Images given to a second worker because the first was late.", deliveries.hedges),
            ("canaries_wrong_total", "Wrong answers to them.", canaries.wrong),
            ("canaries_retired_total", "Known pictures that the model is wrong about.", canaries.retired),
        ];
        for (name, help, counter) in decided {
            text.one(name, "counter", help, counter as f64);
        }
        text.family("canaries_asked_total", "counter", "Known pictures given to the worker.");
        for (worker, count) in asked {
            text.line("canaries_asked_total", &of_worker(&worker), count as f64);
        }
        text.workers(&shared.engine.workers_remembered());
        text.0
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.family(name, kind, help);
        self.line(name, "", value);
    }

    fn workers(&mut self, workers: &[Worker]) {
        type Value = fn(&Worker) -> Option<f64>;
        let here: Value = |w| Some(f64::from(!matches!(w.state, WorkerState::Silent | WorkerState::Gone)));
        let families: [(&str, &str, &str, Value); 17] = [
            ("worker_up", "gauge", "Whether the worker is connected.", here),
            ("worker_set_aside", "gauge", "Whether it is given nothing because of what it did.", |w| {
                Some(f64::from(w.state == WorkerState::SetAside))
            }),
            ("worker_slots", "gauge", "Images it recognises at a time.", |w| Some(f64::from(w.slots))),
            ("worker_in_flight", "gauge", "Images it has.", |w| Some(f64::from(w.in_flight))),
            ("worker_images_total", "counter", "Images it answered.", |w| Some(w.images as f64)),
            ("worker_failures_total", "counter", "Images it had no answer for.", |w| Some(w.failures as f64)),
            ("worker_rtt_seconds", "gauge", "Smoothed round trip.", |w| w.rtt_ms.map(|ms| ms / 1000.0)),
            ("worker_service_seconds", "gauge", "Smoothed time in a slot.", |w| w.service_ms.map(|ms| ms / 1000.0)),
            ("worker_payload_bytes_total", "counter", "Bytes of image file sent to it.", |w| {
                Some(w.payload_bytes as f64)
            }),
            ("worker_socket_sent_bytes_total", "counter", "Bytes its sockets carried to it.", |w| {
                Some(w.socket_bytes_sent as f64)
            }),
            ("worker_socket_received_bytes_total", "counter", "Bytes its sockets carried from it.", |w| {
                Some(w.socket_bytes_received as f64)
            }),
            (
                "worker_wire_sent_bytes_total",
                "counter",
                "Bytes the transport sent to it, those sent again among them.",
                |w| Some(w.wire_bytes_sent as f64),
            ),
            (
                "worker_retransmissions_total",
                "counter",
                "TCP segments sent again to it; QUIC packets held for lost.",
                |w| Some(w.retransmissions as f64),
            ),
            ("worker_retransmitted_bytes_total", "counter", "Bytes in them.", |w| Some(w.bytes_retransmitted as f64)),
            ("worker_transport_rtt_seconds", "gauge", "The transport's own smoothed round trip.", |w| {
                w.transport_rtt_ms.map(|ms| ms / 1000.0)
            }),
            ("worker_window_bytes", "gauge", "The congestion window.", |w| w.window_bytes.map(|bytes| bytes as f64)),
            ("worker_delivery_bits_per_second", "gauge", "What the transport last found the path to deliver.", |w| {
                w.delivery_bits_per_s
            }),
        ];
        for (name, kind, help, value) in families {
            self.family(name, kind, help);
            for worker in workers {
                if let Some(value) = value(worker) {
                    self.line(name, &of_worker(&worker.id), value);
                }
            }
        }
        self.family("worker_info", "gauge", "1, with what is no number: the congestion control at the manager's end.");
        for Worker { id, congestion_control, .. } in workers {
            let congestion_control = escaped(congestion_control.as_deref().unwrap_or_default());
            let labels = format!("{{worker=\"{}\",congestion_control=\"{congestion_control}\"}}", escaped(id));
            self.line("worker_info", &labels, 1.0);
        }
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.push(format_args!("# HELP manyeyes_{name} {help}\n# TYPE manyeyes_{name} {kind}\n"));
    }

    fn line(&mut self, name: &str, labels: &str, value: f64) {
        self.push(format_args!("manyeyes_{name}{labels} {value}\n"));
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a String takes everything");
    }
}

fn of_worker(worker: &str) -> String {
    format!("{{worker=\"{}\"}}", escaped(worker))
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
