//! A pulled cable: the manager and a worker in network namespaces of their own, as on two machines, with a cable between
//! them. The namespaces have no names: they end with the processes in them, however the test ends.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::cluster::{Process, Server, folder, wait_until};
use crate::failures::picture;
use crate::network::Network;

const MANAGER: &str = "10.77.0.1";
const WORKER: &str = "10.77.0.2";

/// Images are with others this long after their worker has fallen silent; and some, for a busy machine.
const ELSEWHERE: Duration = Duration::from_secs(10 + 5);

#[test]
fn a_pulled_cable_costs_no_image_and_the_worker_comes_back() {
    let Some(cable) = Cable::lay() else {
        eprintln!("NOT RUN without network namespaces: a_pulled_cable_costs_no_image_and_the_worker_comes_back");
        return;
    };
    cable.at_manager.within(|| {
        let data = folder();
        let server = Server::open_manager(data.path(), &format!("{MANAGER}:0"));
        let near = server.worker(&["--name", "near", "--slots", "1", "--fixed-service-ms", "50"]);
        let far = cable.at_worker.within(|| {
            Process::start(&[
                "worker",
                "--manager",
                &server.workers,
                "--name",
                "far",
                "--slots",
                "1",
                "--fixed-service-ms",
                "50",
            ])
        });
        wait_until("both have joined", || server.workers().len() == 2);

        let batch = server.new_batch();
        let upload =
            |count: usize| (0..count).for_each(|n| drop(server.upload(&batch, &format!("{n}.png"), &picture())));
        upload(120);
        assert!(of_far(&server, &batch, "assigned") > 0, "the far worker has something when the cable is pulled");
        cable.pull();
        let pulled = Instant::now();
        wait_until("nothing is with the far worker", || of_far(&server, &batch, "assigned") == 0);
        assert!(pulled.elapsed() < ELSEWHERE, "its images were elsewhere only after {:?}", pulled.elapsed());
        wait_until("all are answered", || server.count(&batch, "recognised") == 120);

        cable.mend();
        wait_until("the far worker is back", || {
            server.workers().iter().any(|worker| worker["id"] == "far" && worker["state"] == "idle")
        });
        let before = of_far(&server, &batch, "recognised");
        upload(40);
        wait_until("all are answered", || server.count(&batch, "recognised") == 160);
        assert!(of_far(&server, &batch, "recognised") > before, "the far worker works again");
        let ids: BTreeSet<_> = server.images(&batch).iter().map(|image| image["id"].to_string()).collect();
        assert_eq!(ids.len(), 160, "each once");
        let counted: u64 = server.workers().iter().filter_map(|worker| worker["images"].as_u64()).sum();
        assert_eq!(counted, 160, "an answer that was said twice counts once");
        drop((near, far));
    });
}

/// How many images of a batch are in a state, with or by the far worker.
fn of_far(server: &Server, batch: &str, state: &str) -> usize {
    let images = server.images(batch);
    images.iter().filter(|image| image["state"] == state && image["worker"] == "far").count()
}

/// Two machines' networks and the cable between them.
struct Cable {
    at_manager: Network,
    at_worker: Network,
}

impl Cable {
    /// `None` where the system does not let us.
    fn lay() -> Option<Self> {
        let (at_manager, at_worker) = (Network::new()?, Network::new()?);
        let other_end = at_worker.id().to_string();
        at_manager.ip(&["link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", &other_end])?;
        for (network, address) in [(&at_manager, MANAGER), (&at_worker, WORKER)] {
            network.ip(&["link", "set", "lo", "up"])?;
            network.ip(&["address", "add", &format!("{address}/24"), "dev", "cable"])?;
            network.ip(&["link", "set", "cable", "up"])?;
        }
        Some(Self { at_manager, at_worker })
    }

    fn pull(&self) {
        self.at_worker.ip(&["link", "set", "cable", "down"]).expect("the cable can be pulled");
    }

    fn mend(&self) {
        self.at_worker.ip(&["link", "set", "cable", "up"]).expect("the cable can be mended");
    }
}
