//! A TLS certificate for loopback and its certificate authority.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The `openssl req` arguments for a new elliptic-curve key.
const NEW_KEY: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

/// A certificate for `127.0.0.1` and `localhost`, signed by its own authority.
#[derive(Debug)]
pub struct Certificate {
    folder: TempDir,
}

impl Certificate {
    /// Creates the authority and the certificate with `openssl`.
    pub fn make() -> io::Result<Self> {
        let certificate = Self { folder: TempDir::new()? };
        let folder = certificate.folder.path();
        std::fs::write(folder.join("names"), "subjectAltName = IP:127.0.0.1, DNS:localhost\n")?;
        let authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2"];
        openssl(folder, &[&["req", "-x509", "-nodes"][..], &NEW_KEY, &authority].concat())?;
        let request = ["-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost"];
        openssl(folder, &[&["req", "-nodes"][..], &NEW_KEY, &request].concat())?;
        let signing =
            ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
        openssl(
            folder,
            &[&["x509", "-req", "-in", "request.pem", "-out", "cert.pem"][..], &signing].concat(),
        )?;
        Ok(certificate)
    }

    /// Returns the path of the authority's certificate, for `SSL_CERT_FILE`.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> io::Result<()> {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    let output = command.output().map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot run openssl: {error}; install the Debian package openssl"),
        )
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}
