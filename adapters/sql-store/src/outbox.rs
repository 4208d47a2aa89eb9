//! What the outboxes of both databases share.

use taskwatch_core::outbox::Announcement;
use taskwatch_core::ports::StoreError;

use crate::error::Fault;
use crate::retry::retrying;

/// What one transaction has taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Those whose task has a row.
    pub(crate) announcements: Vec<Announcement>,
    /// How many there were whose task has none: they are gone.
    pub(crate) orphans: usize,
}

/// Takes until there are as many as asked for, or no more: those without a row make room for others.
pub(crate) async fn take<F, Fut>(limit: usize, mut some: F) -> Result<Vec<Announcement>, StoreError>
where
    F: FnMut(usize) -> Fut,
    Fut: Future<Output = Result<Taken, Fault>>,
{
    let mut all = Vec::new();
    while all.len() < limit {
        let wanted = limit - all.len();
        match retrying(|| some(wanted)).await {
            Ok(Taken { announcements, orphans }) => {
                all.extend(announcements);
                if orphans == 0 {
                    break;
                }
            }
            // What has been taken is hidden from everybody else: it must not be forgotten over this.
            Err(_) if !all.is_empty() => break,
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(all)
}
