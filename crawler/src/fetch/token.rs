//! Tokens that hosts ask for: secrets, which are in no object, address, log or error.

use std::path::PathBuf;

use model::Name;

/// A token's letters. It prints as stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The letters, for the one request that needs them.
    pub(super) fn letters(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Where tokens are: a variable of the environment, or a file of a folder (as Kubernetes mounts secrets), asked anew each
/// time, so that one can be replaced while the node runs.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    folder: Option<PathBuf>,
}

impl Tokens {
    /// Tokens that are also files of a folder.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// The token of that name. An error says where it was looked for.
    pub(super) async fn read(&self, name: &Name) -> Result<Secret, String> {
        let variable = variable(name);
        if let Some(letters) = std::env::var(&variable).ok().and_then(|letters| taken(&letters)) {
            return Ok(letters);
        }
        let Some(file) = self.folder.as_ref().map(|folder| folder.join(name.as_str())) else {
            return Err(format!(
                "the token {name} is not given: set {variable}, or fetch.tokens to a folder of files"
            ));
        };
        let shown = file.display().to_string();
        // A small file; all the same no thread of ours waits for a disk.
        let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await;
        let letters = read.ok().and_then(Result::ok).and_then(|letters| taken(&letters));
        letters
            .ok_or_else(|| format!("the token {name} is not given: set {variable}, or write it to {shown}"))
    }
}

/// `vk-main` is in `QYRAN_TOKEN_VK_MAIN`.
fn variable(name: &Name) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("QYRAN_TOKEN_{}", name.as_str().chars().map(letter).collect::<String>())
}

fn taken(letters: &str) -> Option<Secret> {
    let letters = letters.trim();
    // What no header field may hold is no token.
    (!letters.is_empty() && letters.bytes().all(|byte| byte.is_ascii_graphic()))
        .then(|| Secret(letters.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tokens_are_read_from_files_and_never_printed() {
        let folder = std::env::temp_dir().join(format!("qyran-tokens-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("vk-main"), " s3cret\n").unwrap();
        let tokens = Tokens::new(Some(folder.clone()));
        let name = |text| Name::new(text).unwrap();
        let found = tokens.read(&name("vk-main")).await.unwrap();
        assert_eq!((found.letters(), format!("{found:?}")), ("s3cret", "***".to_owned()));
        let missing = tokens.read(&name("vk-other")).await.unwrap_err();
        assert!(missing.contains("QYRAN_TOKEN_VK_OTHER") && missing.contains("vk-other"), "{missing}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
