//! Shows the mails that functions send, and keeps them as files.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use time::macros::format_description;

use super::output::print;
use crate::mail_service::Mail;

/// Where mails are kept, in the folder of the workspace.
const FOLDER: &str = ".local/mail";

/// Keeps a mail in the workspace `root`, and prints its recipient, its subject, its link or token, and the file.
pub fn show(root: &Path, mail: &Mail) {
    let Mail { to, subject, .. } = mail;
    let mut shown = format!("Mail to {}: {subject}", to.join(", "));
    if let Some(link_or_token) = mail.reset_link().or_else(|| mail.reset_token()) {
        shown = shown + "\n  " + link_or_token;
    }
    match keep(root, mail) {
        Ok(path) => print(format!("{shown}\n  {}", path.display())),
        Err(error) => print(format!("{shown}\n  The mail cannot be kept: {error:#}")),
    }
}

/// Writes a mail to a file that only its owner may read, because it may contain a token. Returns the path of the file
/// from `root` on. The names of the files are in the order of time.
fn keep(root: &Path, mail: &Mail) -> Result<PathBuf> {
    let time = format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:3]Z");
    let path = Path::new(FOLDER).join(format!("{}-{}.eml", mail.sent_at.format(time)?, mail.id));
    DirBuilder::new().recursive(true).mode(0o700).create(root.join(FOLDER))?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(root.join(&path));
    let written = file.and_then(|mut file| file.write_all(&mail.to_eml()?));
    written.with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_mail_is_kept_in_a_private_file_that_is_never_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let mail = Mail {
            id: "a1".to_owned(),
            sent_at: datetime!(2026-07-01 08:09:10.5 UTC),
            from: "movie-bag@example.com".to_owned(),
            to: vec!["ann@example.com".to_owned()],
            subject: "Hello".to_owned(),
            text: "Hi".to_owned(),
            html: "<p>Hi</p>".to_owned(),
        };
        let path = keep(folder.path(), &mail).expect("a file");
        assert_eq!(path, Path::new(".local/mail/20260701T080910.500Z-a1.eml"));
        let mode =
            |path: &Path| folder.path().join(path).metadata().expect("an entry").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(Path::new(FOLDER))), (0o600, 0o700));
        let text = fs::read_to_string(folder.path().join(&path)).expect("a file");
        assert!(text.contains("Subject: Hello\r\n"), "{text}");
        let again = keep(folder.path(), &mail).expect_err("the file exists").to_string();
        assert_eq!(again, ".local/mail/20260701T080910.500Z-a1.eml cannot be written");
    }
}
