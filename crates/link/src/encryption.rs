//! TLS 1.3 between manager and worker, over TCP and within QUIC: who shows what, and who believes it.
//!
//! A manager has a key. A worker that was told the key's fingerprint beforehand, as a part of its token, knows its manager by it, and needs no authority;
//! or both have certificates of authorities that the other was told of.

mod words;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use thiserror::Error;

pub(crate) use words::{End, Found, explain, refused, sentence};

/// What both ends must say that they speak: whoever speaks another protocol learns it before anything is said.
const PROTOCOL: &[u8] = b"manyeyes/1";

/// The name in a certificate of our own making. Nobody looks at it, but a certificate wants one.
const NAME: &str = "manyeyes";

/// The first byte of whoever begins with TLS: a record of a handshake (RFC 8446 section 5.1). No frame begins so, since it would be of
/// 350 MB.
pub(crate) const FIRST_BYTE_OF_TLS: u8 = 22;

/// Whether a connection by TCP is encrypted. One by QUIC is in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Where it leaves this machine, or where something was given by which one end is to know the other. Who need not be encrypted may be.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never: whoever is on the way reads and changes what passes.
    Never,
}

impl Encryption {
    /// Whether it has to be, from or to this address, for one who has something to know the other end by.
    #[must_use]
    pub fn applies(self, address: IpAddr, knows: bool) -> bool {
        match self {
            Self::Auto => knows || !address.is_loopback(),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// A key, and the certificates that speak for it.
#[derive(Clone)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    fingerprint: Fingerprint,
}

/// Why there is no identity in what was given. A sentence for a person, less its capital letter and full stop.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// No certificate is in there.
    #[error("there is no certificate in PEM form in it (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// No key is in there.
    #[error("there is no private key in PEM form in it (-----BEGIN PRIVATE KEY-----)")]
    NoKey,
    /// They are there, and no use.
    #[error("key and certificate are of no use: {0}")]
    Useless(String),
}

impl Identity {
    /// A new key, as PEM: what [`Self::of_key`] takes.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new_key() -> io::Result<String> {
        Ok(rcgen::KeyPair::generate().map_err(io::Error::other)?.serialize_pem())
    }

    /// Of a key alone, for which it makes a certificate itself: there is nobody but the key to know it by.
    ///
    /// # Errors
    /// When it is no key in PEM form.
    pub fn of_key(pem: &str) -> Result<Self, IdentityError> {
        let useless = |error: rcgen::Error| IdentityError::Useless(error.to_string());
        let key = rcgen::KeyPair::from_pem(pem).map_err(|_| IdentityError::NoKey)?;
        let certificate = rcgen::CertificateParams::new([NAME.to_owned()]).and_then(|wanted| wanted.self_signed(&key));
        let chain = vec![certificate.map_err(useless)?.der().clone()];
        Self::new(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }

    /// Of certificates, the own one first, and its key, both in PEM form.
    ///
    /// # Errors
    /// When they are not there, or not of each other.
    pub fn of_certificate(certificates: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::NoKey)?;
        Self::new(certificates_in(certificates)?, key)
    }

    fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, IdentityError> {
        let useless = |error: rustls::Error| IdentityError::Useless(error.to_string());
        let own = chain.first().ok_or(IdentityError::NoCertificate)?;
        let fingerprint = Fingerprint::of(own).map_err(useless)?;
        let signing = ring::sign::any_supported_type(&key).map_err(useless)?;
        rustls::sign::CertifiedKey::new(chain.clone(), signing).keys_match().map_err(useless)?;
        Ok(Self { chain, key: Arc::new(key), fingerprint })
    }

    /// What a worker may know it by.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Identity").field(&self.fingerprint).finish()
    }
}

/// The SHA-256 of a public key (its SubjectPublicKeyInfo, RFC 5280 section 4.1.2.7): the same however often its certificate is made anew.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// What was given is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is no fingerprint of a manager's key")]
pub struct NoFingerprint;

impl Fingerprint {
    fn of(certificate: &CertificateDer<'_>) -> Result<Self, rustls::Error> {
        let public_key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        Ok(Self(Sha256::digest(&public_key).into()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&bs58::encode(self.0).into_string())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let bytes = bs58::decode(text).into_vec().map_err(|_| NoFingerprint)?;
        bytes.try_into().map(Self).map_err(|_| NoFingerprint)
    }
}

/// Who may sign the other end's certificate, or one that signs it.
#[derive(Clone)]
pub struct Authorities(Arc<RootCertStore>);

impl Authorities {
    /// Of their certificates, in PEM form.
    ///
    /// # Errors
    /// When there is none, or one of no use.
    pub fn of(certificates: &[u8]) -> Result<Self, IdentityError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates_in(certificates)? {
            roots.add(certificate).map_err(|error| IdentityError::Useless(error.to_string()))?;
        }
        Ok(Self(Arc::new(roots)))
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Authorities({})", self.0.len())
    }
}

fn certificates_in(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or(IdentityError::NoCertificate)
}

/// How a worker knows its manager.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// It takes whoever answers. What is encrypted can be read by nobody who only listens on the way; who puts himself in the manager's place
    /// reads all of it, the token included.
    #[default]
    Whoever,
    /// By its key.
    Key(Fingerprint),
    /// By a certificate, for the name by which it is called, of one of these.
    Signed(Authorities),
}

impl Trust {
    /// Whether there is anything to know it by.
    #[must_use]
    pub fn knows(&self) -> bool {
        !matches!(self, Self::Whoever)
    }
}

/// The manager's side. With authorities, every worker has to show a certificate of theirs.
pub(crate) fn of_manager(identity: &Identity, workers: Option<&Authorities>) -> io::Result<Arc<rustls::ServerConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?;
    let builder = match workers {
        Some(Authorities(roots)) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(io::Error::other)?)
        }
        None => builder.with_no_client_auth(),
    };
    let Identity { chain, key, .. } = identity;
    let mut config = builder.with_single_cert(chain.clone(), key.clone_key()).map_err(io::Error::other)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The worker's side, with a certificate of its own where it has one.
pub(crate) fn of_worker(trust: &Trust, identity: Option<&Identity>) -> io::Result<Arc<rustls::ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Whoever => Arc::new(ByKey { wanted: None, provider: Arc::clone(&provider) }),
        Trust::Key(wanted) => Arc::new(ByKey { wanted: Some(*wanted), provider: Arc::clone(&provider) }),
        Trust::Signed(Authorities(roots)) => {
            WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(&provider))
                .build()
                .map_err(io::Error::other)?
        }
    };
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(Identity { chain, key, .. }) => {
            builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(io::Error::other)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The name that a certificate has to be for: the host of `HOST:PORT`, where the worker knows its manager by who signed for it. A host that no
/// certificate could be for is none the worse otherwise.
pub(crate) fn name(manager: &str, trust: &Trust) -> io::Result<ServerName<'static>> {
    if !matches!(trust, Trust::Signed(_)) {
        return Ok(ServerName::try_from(NAME).expect("a name of letters"));
    }
    let host = manager.rsplit_once(':').map_or(manager, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("{host} is no name of a machine")))
}

/// Takes any certificate whose key the peer has, or only of this key. What else a certificate says, until when it is valid for one, is not looked
/// at: its owner made it himself, and nobody else speaks for him.
#[derive(Debug)]
struct ByKey {
    wanted: Option<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ByKey {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.wanted {
            Some(wanted) if Fingerprint::of(shown)? != wanted => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            Some(_) | None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connections in the clear, and by key, failed for it too.
    #[test]
    fn only_a_certificate_of_an_authority_has_to_be_for_the_manager_s_name() {
        let authority = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let signed = Trust::Signed(Authorities::of(authority.cert.pem().as_bytes()).unwrap());
        let key = Identity::of_key(&Identity::new_key().unwrap()).unwrap().fingerprint();
        for trust in [Trust::Whoever, Trust::Key(key)] {
            assert!(name("fe80::1%eth0:2888", &trust).is_ok());
        }
        assert!(name("fe80::1%eth0:2888", &signed).is_err());
        assert_eq!(name("[::1]:2888", &signed).unwrap().to_str(), "::1");
        assert_eq!(name("gallery.example:2888", &signed).unwrap().to_str(), "gallery.example");
    }
}
