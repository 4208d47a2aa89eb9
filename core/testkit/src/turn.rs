//! Lets others go first, once.

use std::future::poll_fn;
use std::task::Poll;

/// Is ready the second time it is asked.
pub(crate) async fn give_way() {
    let mut asked = false;
    poll_fn(|context| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
