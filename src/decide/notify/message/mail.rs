//! The subject and the plain text of a mail.

use crate::decide::decision::Message;
use crate::decide::notify::notice::Notice;

/// The mail. No text holds a line break, so none can add a header.
pub(super) fn of(notice: &Notice) -> Message {
    let title = notice.title();
    let lines = notice.lines().into_iter().map(|(name, value)| format!("{name}: {value}\n"));
    let text = format!("{title}\n\n{}", lines.collect::<String>());
    Message::Mail { id: notice.id.clone(), at: notice.at, subject: format!("[Towpath] {title}"), text }
}
