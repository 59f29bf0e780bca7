use super::*;

fn told(json: &str) -> Whose {
    whose(&serde_json::from_str::<Vec<Found>>(json).expect("as tc tells it"))
}

/// As iproute2 6.1 prints them.
#[test]
fn a_default_what_an_agent_has_left_and_what_somebody_else_has_made_are_told_apart() {
    let queue = r#"[{"kind":"noqueue","handle":"0:","root":true,"refcnt":2,"options":{}}]"#;
    let many = r#"[{"kind":"mq","handle":"0:","root":true,"options":{}}]"#;
    assert_eq!([told(queue), told(many), told("[]")], [Whose::Nobodys; 3]);
    let left = r#"[{"kind":"netem","handle":"4d43:","root":true,"refcnt":2,"options":{"limit":1000}}]"#;
    assert_eq!(told(left), Whose::Left(0b11));
    for others in [
        r#"[{"kind":"netem","handle":"8001:","root":true,"refcnt":2,"options":{"limit":1000}}]"#,
        r#"[{"kind":"htb","handle":"1:","root":true,"refcnt":2,"options":{}}]"#,
        r#"[{"kind":"htb","handle":"4d43:","root":true,"refcnt":2,"options":{}}]"#,
    ] {
        assert_eq!(told(others), Whose::Others, "{others}");
    }
}

#[test]
fn what_a_device_that_nobody_took_has_sent_is_read() {
    let text = "Inter-|   Receive                                                |  Transmit\n \
                face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
                lo:  100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0\n\
                eth10: 1 2 3 4 5 6 7 8 90 91 92 93 94 95 96 97\n  eth1: 1 2 3 4 5 6 7 8 9000 11 12 13 14 15 16 17\n";
    assert_eq!(sent(text, "eth1"), Some(Counted { packets: 11, bytes: 9000, drops: 13 }));
    assert_eq!(sent(text, "eth2"), None);
    assert!(sent(&fs::read_to_string(DEVICES).expect("the kernel tells"), "lo").is_some());
}

#[test]
fn what_can_be_done_about_a_refusal_is_said() {
    let without = "sudo -n tc: sudo: a password is required";
    assert!(remedy(without).is_some_and(|remedy| remedy.contains("log in as root")));
    assert!(remedy("Error: Specified qdisc kind is unknown.").is_some_and(|remedy| remedy.contains("sch_netem")));
    assert!(
        remedy("failed to run tc: No such file or directory (os error 2)").is_some_and(|it| it.contains("iproute2"))
    );
    assert_eq!(remedy("RTNETLINK answers: Invalid argument"), None);
}

#[test]
fn an_address_that_no_interface_has_is_said_with_those_that_there_are() {
    assert_eq!(of_address(Ipv4Addr::LOCALHOST).expect("every machine has it"), "lo");
    let why = of_address(Ipv4Addr::new(203, 0, 113, 7)).expect_err("an address of documents").to_string();
    assert!(why.starts_with("no interface has the address 203.0.113.7; there are "), "{why}");
}
