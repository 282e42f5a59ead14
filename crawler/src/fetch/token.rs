//! Access tokens of hosts. They never appear in objects, URLs, logs or errors.

use std::path::PathBuf;

use model::Name;

/// The value of a token. Its `Debug` output is masked.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Returns the value, for the `Authorization` field.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A reader of tokens from environment variables and from the files of a folder (as Kubernetes mounts secrets).
///
/// A token is read for every request, so that it can be replaced while the node runs.
#[derive(Debug, Clone, Default)]
pub struct TokenReader {
    folder: Option<PathBuf>,
}

impl TokenReader {
    /// Creates a reader. If `folder` is given, tokens are also read from its files.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// Returns the token of that name. The error names the environment variable and the file that were checked.
    pub(super) async fn read(&self, name: &Name) -> Result<Secret, String> {
        let variable = variable(name);
        if let Some(secret) = std::env::var(&variable).ok().and_then(|value| parse_secret(&value)) {
            return Ok(secret);
        }
        let Some(file) = self.folder.as_ref().map(|folder| folder.join(name.as_str())) else {
            return Err(format!(
                "token {name} is not set: set {variable}, or fetch.tokens to a folder of token files"
            ));
        };
        let path = file.display().to_string();
        // The file is small, but even a short read must not block an async thread.
        let content = tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await;
        let secret = content.ok().and_then(Result::ok).and_then(|value| parse_secret(&value));
        secret.ok_or_else(|| format!("token {name} is not set: set {variable}, or write the token to {path}"))
    }
}

/// Returns the environment variable of a token: `QYRAN_TOKEN_VK_MAIN` for `vk-main`.
fn variable(name: &Name) -> String {
    let replace = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("QYRAN_TOKEN_{}", name.as_str().chars().map(replace).collect::<String>())
}

/// Returns the trimmed value. Returns `None` for an empty value and for characters that are not allowed in a header
/// field.
fn parse_secret(value: &str) -> Option<Secret> {
    let value = value.trim();
    (!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Secret(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tokens_are_read_from_files_and_masked_in_debug_output() {
        let folder = std::env::temp_dir().join(format!("qyran-tokens-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("vk-main"), " s3cret\n").unwrap();
        let tokens = TokenReader::new(Some(folder.clone()));
        let name = |text| Name::new(text).unwrap();
        let secret = tokens.read(&name("vk-main")).await.unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}")), ("s3cret", "***".to_owned()));
        let error = tokens.read(&name("vk-other")).await.unwrap_err();
        assert!(error.contains("QYRAN_TOKEN_VK_OTHER") && error.contains("vk-other"), "{error}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
