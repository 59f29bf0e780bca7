//! What went wrong with TLS, in words, the same over TCP and QUIC: an alert's number is all that QUIC tells.

use std::io;

use rustls::AlertDescription;

/// Which end we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Manager,
    Worker,
}

/// Who has found something wrong with what the other has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Here,
    There,
}

/// Why a connection over TLS was not made or has ended, for a person at this end.
pub(crate) fn explain(error: io::Error, end: End) -> io::Error {
    let Some(of_tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return error;
    };
    let sentence = match of_tls {
        rustls::Error::AlertReceived(alert) => sentence(*alert, Found::There, end),
        rustls::Error::InvalidCertificate(wrong) => sentence(wrong.clone().into(), Found::Here, end),
        rustls::Error::NoCertificatesPresented => sentence(AlertDescription::CertificateRequired, Found::Here, end),
        rustls::Error::InvalidMessage(_) if end == End::Worker => Some(IN_THE_CLEAR),
        _ => None,
    };
    match sentence {
        Some(sentence) => refused(sentence),
        None => io::Error::new(io::ErrorKind::InvalidData, format!("TLS failed: {of_tls}")),
    }
}

/// An error that says who was refused, or refuses.
pub(crate) fn refused(sentence: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, sentence)
}

/// To a worker that came encrypted, where nobody speaks TLS.
const IN_THE_CLEAR: &str = "what answers there does not speak TLS: for a manager with --encryption never, or one that listens on its own machine only \
                            and is reached through a tunnel, give this worker --encryption never";

/// An alert (RFC 8446 section 6.2) in words, if it is one of who is who.
pub(crate) fn sentence(alert: AlertDescription, found: Found, end: End) -> Option<&'static str> {
    use AlertDescription as Alert;

    Some(match (end, found, alert) {
        // Of the manager's certificate.
        (End::Worker, Found::Here, Alert::AccessDenied) => {
            "the manager there has another key than this token names: either it was set up anew, then take a token of its own, or somebody \
             answers in its place"
        }
        (End::Worker, Found::Here, Alert::CertificateExpired) => {
            "the manager's certificate has expired, or is not valid yet"
        }
        (End::Worker, Found::Here, Alert::UnknownCA | Alert::DecryptError) => {
            "the manager's certificate is of no authority in the file of --ca"
        }
        (End::Worker, Found::Here, Alert::BadCertificate) => {
            "the manager's certificate is for another name than this worker calls it by"
        }
        (End::Manager, Found::There, Alert::AccessDenied) => {
            "this worker's token is of a manager with another key: give it a token of this one"
        }
        (End::Manager, Found::There, Alert::CertificateExpired) => {
            "this worker does not take our certificate: it has expired, or is not valid yet"
        }
        (End::Manager, Found::There, Alert::UnknownCA | Alert::DecryptError) => {
            "this worker does not know who signed our certificate (worker --ca)"
        }
        (End::Manager, Found::There, Alert::BadCertificate) => {
            "this worker calls us by a name that our certificate is not for"
        }
        // Of the worker's.
        (End::Worker, Found::There, Alert::CertificateRequired) => {
            "the manager wants a certificate of this worker (--certificate, --key)"
        }
        (End::Worker, Found::There, Alert::CertificateExpired) => {
            "the manager does not take this worker's certificate: it has expired, or is not valid yet"
        }
        (End::Worker, Found::There, Alert::UnknownCA | Alert::DecryptError) => {
            "the manager does not know who signed this worker's certificate (manager --worker-ca)"
        }
        (End::Worker, Found::There, _) => return None,
        (End::Manager, Found::Here, Alert::CertificateRequired) => "this worker has shown no certificate",
        (End::Manager, Found::Here, Alert::CertificateExpired) => {
            "this worker's certificate has expired, or is not valid yet"
        }
        (End::Manager, Found::Here, Alert::UnknownCA | Alert::DecryptError) => {
            "this worker's certificate is of no authority in the file of --worker-ca"
        }
        _ => return None,
    })
}
