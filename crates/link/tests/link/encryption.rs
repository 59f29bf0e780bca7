//! Who is who: a worker takes no other manager than its own, a manager that wants to see a certificate no worker without, nobody goes on in
//! the clear unasked, and both ends are told why.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use manyeyes_link::{
    Authorities, Encryption, FromManager, FromWorker, Identity, ManagerSettings, Reach, Transports, Trust,
    WorkerSettings,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::{
    Coded, IDENTITY, Manager, Over, Quic, Tcp, Tls, Transport, Worker, manager_settings, new_identity, only,
    worker_settings,
};

promises!(tls over Tls, quic over Quic:
    a_manager_with_another_key_is_told_nothing,
    one_whose_certificate_is_of_a_known_authority_is_taken,
    a_certificate_of_another_authority_is_refused,
    a_certificate_for_another_name_is_refused,
    a_certificate_that_has_expired_is_refused,
    a_worker_with_a_certificate_is_let_in,
    a_worker_without_a_certificate_is_refused_where_one_is_wanted,
    a_worker_whose_certificate_has_expired_is_refused,
    a_worker_with_a_certificate_of_another_authority_is_refused,
);

promises!(coded over Coded:
    a_manager_with_another_key_is_told_nothing,
);

/// Signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// The years from and until which a certificate is valid.
const VALID: (i32, i32) = (2020, 2100);
const EXPIRED: (i32, i32) = (2020, 2021);

impl Authority {
    fn new() -> Self {
        let mut wanted = CertificateParams::new(Vec::<String>::new()).unwrap();
        wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(wanted, KeyPair::generate().unwrap()).unwrap())
    }

    fn sign(&self, name: &str, (from, until): (i32, i32)) -> Identity {
        let mut wanted = CertificateParams::new([name.to_owned()]).unwrap();
        (wanted.not_before, wanted.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = wanted.signed_by(&key, &self.0).unwrap();
        Identity::of_certificate(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }

    fn known(&self) -> Authorities {
        Authorities::of(self.0.pem().as_bytes()).unwrap()
    }
}

/// Manager and worker over this transport, encrypted, as these change them.
fn meet<T: Transport>(
    manager: impl FnOnce(&mut ManagerSettings),
    worker: impl FnOnce(&mut WorkerSettings),
) -> (Manager, Worker) {
    let mut settings = ManagerSettings {
        encryption: Encryption::Always,
        identity: Some(IDENTITY.clone()),
        transports: transports_of::<T>(),
        ..manager_settings()
    };
    manager(&mut settings);
    let manager = Manager::listen(settings);
    let mut settings = worker_settings("eye", 1, manager.end.local_addr());
    settings.encryption = Encryption::Always;
    settings.reach = Reach::Only(T::OVER);
    worker(&mut settings);
    (manager, Worker::come(settings))
}

fn transports_of<T: Transport>() -> Transports {
    if T::OVER == Over::Tcp { Transports::Tcp } else { Transports::Quic }
}

/// Neither has let the other in: what each was told.
async fn both_are_told(manager: &mut Manager, worker: &mut Worker) -> (String, String) {
    let FromWorker::Refused { reason, .. } = manager.next().await else { panic!("it was let in") };
    let worker = match worker.next().await {
        FromManager::Disconnected { reason, .. } | FromManager::Refused { reason } => reason,
        other => panic!("it was let in: {other:?}"),
    };
    (reason, worker)
}

async fn both_are_together(mut manager: Manager, mut worker: Worker) {
    worker.connected().await;
    let (id, _) = manager.joined().await;
    manager.assign(id, 1, 1, vec![7; 3_000_000]);
    let assigned = worker.assigned().await;
    assert_eq!(assigned.payload, vec![7; 3_000_000]);
    worker.answer(&assigned);
    manager.answered().await;
}

async fn a_manager_with_another_key_is_told_nothing<T: Transport>() {
    let (mut manager, mut worker) = meet::<T>(
        |manager| manager.keys = only("open sesame"),
        |worker| {
            worker.trust = Trust::Key(new_identity().fingerprint());
            worker.token = Some("open sesame".to_owned());
        },
    );
    let (manager, worker) = both_are_told(&mut manager, &mut worker).await;
    assert!(manager.contains("token is of a manager with another key"), "{manager}");
    assert!(worker.contains("the manager there has another key than this token names"), "{worker}");
}

async fn one_whose_certificate_is_of_a_known_authority_is_taken<T: Transport>() {
    let authority = Authority::new();
    let (manager, worker) = meet::<T>(
        |manager| manager.identity = Some(authority.sign("127.0.0.1", VALID)),
        |worker| worker.trust = Trust::Signed(authority.known()),
    );
    both_are_together(manager, worker).await;
}

async fn a_certificate_of_another_authority_is_refused<T: Transport>() {
    let (mut manager, mut worker) = meet::<T>(
        |manager| manager.identity = Some(Authority::new().sign("127.0.0.1", VALID)),
        |worker| worker.trust = Trust::Signed(Authority::new().known()),
    );
    let (manager, worker) = both_are_told(&mut manager, &mut worker).await;
    assert!(manager.contains("does not know who signed our certificate"), "{manager}");
    assert!(worker.contains("of no authority in the file of --ca"), "{worker}");
}

async fn a_certificate_for_another_name_is_refused<T: Transport>() {
    let authority = Authority::new();
    let (mut manager, mut worker) = meet::<T>(
        |manager| manager.identity = Some(authority.sign("gallery.example", VALID)),
        |worker| worker.trust = Trust::Signed(authority.known()),
    );
    let (manager, worker) = both_are_told(&mut manager, &mut worker).await;
    assert!(manager.contains("calls us by a name that our certificate is not for"), "{manager}");
    assert!(worker.contains("is for another name than this worker calls it by"), "{worker}");
}

async fn a_certificate_that_has_expired_is_refused<T: Transport>() {
    let authority = Authority::new();
    let (mut manager, mut worker) = meet::<T>(
        |manager| manager.identity = Some(authority.sign("127.0.0.1", EXPIRED)),
        |worker| worker.trust = Trust::Signed(authority.known()),
    );
    let (manager, worker) = both_are_told(&mut manager, &mut worker).await;
    assert!(manager.contains("it has expired"), "{manager}");
    assert!(worker.contains("the manager's certificate has expired"), "{worker}");
}

async fn a_worker_with_a_certificate_is_let_in<T: Transport>() {
    let authority = Authority::new();
    let (manager, worker) = meet::<T>(
        |manager| manager.authorities = Some(authority.known()),
        |worker| worker.identity = Some(authority.sign("eye", VALID)),
    );
    both_are_together(manager, worker).await;
}

async fn a_worker_without_a_certificate_is_refused_where_one_is_wanted<T: Transport>() {
    let (mut manager, mut worker) = meet::<T>(|manager| manager.authorities = Some(Authority::new().known()), |_| {});
    let (manager, worker) = both_are_told(&mut manager, &mut worker).await;
    assert!(manager.contains("has shown no certificate"), "{manager}");
    assert!(worker.contains("the manager wants a certificate of this worker"), "{worker}");
}

async fn a_worker_whose_certificate_has_expired_is_refused<T: Transport>() {
    let authority = Authority::new();
    let (mut manager, mut worker) = meet::<T>(
        |manager| manager.authorities = Some(authority.known()),
        |worker| worker.identity = Some(authority.sign("eye", EXPIRED)),
    );
    let (manager, worker) = both_are_told(&mut manager, &mut worker).await;
    assert!(manager.contains("this worker's certificate has expired"), "{manager}");
    assert!(worker.contains("does not take this worker's certificate: it has expired"), "{worker}");
}

async fn a_worker_with_a_certificate_of_another_authority_is_refused<T: Transport>() {
    let (mut manager, mut worker) = meet::<T>(
        |manager| manager.authorities = Some(Authority::new().known()),
        |worker| worker.identity = Some(Authority::new().sign("eye", VALID)),
    );
    let (manager, worker) = both_are_told(&mut manager, &mut worker).await;
    assert!(manager.contains("of no authority in the file of --worker-ca"), "{manager}");
    assert!(worker.contains("does not know who signed this worker's certificate"), "{worker}");
}

#[tokio::test]
async fn a_worker_in_the_clear_is_told_that_its_manager_speaks_tls_only() {
    let (mut manager, mut worker) = meet::<Tcp>(|_| {}, |worker| worker.encryption = Encryption::Never);
    let (manager, worker) = both_are_told(&mut manager, &mut worker).await;
    assert_eq!(manager, "it came without TLS");
    assert_eq!(worker, "this manager speaks TLS only, and this worker came without (--encryption)");
}

#[tokio::test]
async fn a_worker_that_speaks_tls_is_told_that_its_manager_does_not() {
    let (mut manager, mut worker) = meet::<Tcp>(|manager| manager.encryption = Encryption::Never, |_| {});
    let (manager, worker) = both_are_told(&mut manager, &mut worker).await;
    assert!(manager.contains("it came with TLS, which this manager does not speak"), "{manager}");
    assert!(worker.contains("what answers there does not speak TLS"), "{worker}");
}

#[tokio::test]
async fn on_one_machine_nothing_is_encrypted_unless_it_is_asked_for() {
    let auto = Encryption::Auto;
    let (manager, worker) = meet::<Tcp>(|manager| manager.encryption = auto, |worker| worker.encryption = auto);
    both_are_together(manager, worker).await;
}

/// A middleman sees neither the token nor the picture; where nothing is encrypted he sees both.
#[tokio::test]
async fn who_is_on_the_way_reads_nothing() {
    for (encryption, is_read) in [(Encryption::Always, false), (Encryption::Never, true)] {
        let settings = ManagerSettings {
            encryption,
            identity: Some(IDENTITY.clone()),
            keys: only("open sesame"),
            ..manager_settings()
        };
        let mut manager = Manager::listen(settings);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let middleman = middleman(manager.end.local_addr(), Arc::clone(&seen)).await;
        let mut settings = worker_settings("eye", 1, middleman);
        (settings.encryption, settings.token) = (encryption, Some("open sesame".to_owned()));
        let mut worker = Worker::come(settings);
        worker.connected().await;
        let (id, _) = manager.joined().await;
        manager.assign(id, 1, 1, "a picture of a secret place");
        let assigned = worker.assigned().await;
        worker.answer(&assigned);
        manager.answered().await;
        let seen = seen.lock().unwrap();
        for secret in ["open sesame", "a picture of a secret place"] {
            let is_seen = seen.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
            assert_eq!(is_seen, is_read, "{secret}");
        }
    }
}

/// Passes on what one connection carries, and remembers it.
async fn middleman(manager: SocketAddr, seen: Arc<Mutex<Vec<u8>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (worker, _) = listener.accept().await.unwrap();
        let (from_worker, to_worker) = worker.into_split();
        let (from_manager, to_manager) = TcpStream::connect(manager).await.unwrap().into_split();
        let (seen, also_seen) = (Arc::clone(&seen), seen);
        tokio::join!(pass(from_worker, to_manager, seen), pass(from_manager, to_worker, also_seen));
    });
    address
}

async fn pass(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, seen: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 4096];
    while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
        seen.lock().unwrap().extend_from_slice(&buffer[..bytes]);
        if to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
}
