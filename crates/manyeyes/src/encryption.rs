//! Keys, certificates and tokens as the command line names them.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use manyeyes_manager::settings as manager;
use manyeyes_worker as worker;

use crate::cli::encryption::{Encryption, OfManager, OfWorker};

/// Takes into a manager's settings what was said of encryption.
///
/// # Errors
/// A file cannot be read, or holds something else.
pub(crate) fn of_manager(said: &OfManager, settings: &mut manager::ManagerSettings) -> anyhow::Result<()> {
    if said.encryption == Encryption::Never && said.worker_ca.is_some() {
        bail!("--worker-ca asks for certificates, and with --encryption never nobody can show one by TCP");
    }
    settings.encryption = match said.encryption {
        Encryption::Auto => manager::Encryption::Auto,
        Encryption::Always => manager::Encryption::Always,
        Encryption::Never => manager::Encryption::Never,
    };
    if let (Some(certificate), Some(key)) = (&said.certificate, &said.key) {
        let read = manager::Identity::of_certificate(&read(certificate)?, &read(key)?);
        settings.identity = Some(read.with_context(|| wrong(&[certificate, key]))?);
    }
    if let Some(file) = &said.worker_ca {
        settings.worker_authorities = Some(manager::Authorities::of(&read(file)?).with_context(|| wrong(&[file]))?);
    }
    Ok(())
}

/// Takes into a worker's settings what was said of the manager, and of itself.
///
/// # Errors
/// A file cannot be read, or holds something else; the token's second half is no fingerprint.
pub(crate) fn of_worker(said: &OfWorker, settings: &mut worker::WorkerSettings) -> anyhow::Result<()> {
    settings.encryption = match said.encryption {
        Encryption::Auto => worker::Encryption::Auto,
        Encryption::Always => worker::Encryption::Always,
        Encryption::Never => worker::Encryption::Never,
    };
    if let (Some(certificate), Some(key)) = (&said.certificate, &said.key) {
        let read = worker::Identity::of_certificate(&read(certificate)?, &read(key)?);
        settings.identity = Some(read.with_context(|| wrong(&[certificate, key]))?);
    }
    let from_file = said.token_file.as_deref().map(token_in).transpose()?;
    if let Some(token) = from_file.as_ref().or(said.token.as_ref()) {
        let (secret, fingerprint) =
            token.split_once('.').map_or((token.as_str(), None), |(secret, of)| (secret, Some(of)));
        settings.token = (!secret.is_empty()).then(|| secret.to_owned());
        if let Some(fingerprint) = fingerprint {
            let fingerprint =
                fingerprint.parse().context("the token is cut off, or is none: what is behind its dot is wrong")?;
            settings.trust = worker::Trust::Key(fingerprint);
        }
    }
    // Who names authorities wants them to be asked, whatever the token says.
    if let Some(file) = &said.ca {
        settings.trust = worker::Trust::Signed(worker::Authorities::of(&read(file)?).with_context(|| wrong(&[file]))?);
    }
    Ok(())
}

fn token_in(file: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        bail!("{} does not hold one token", file.display());
    }
    Ok(token.to_owned())
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("failed to read {}", file.display()))
}

fn wrong(files: &[&Path]) -> String {
    let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    format!("what is in {} cannot be used", names.join(" and "))
}
