use tokio::sync::watch;

/// Where one operation waits until the test lets it go on. Dropping the gate opens it.
///
/// ```
/// use cloakroom_conformance::instrumented::{Control, Operation};
///
/// async fn meets(control: &Control) {
///     let gate = control.on(Operation::Replace).pause_before();
///     // … start what replaces …
///     gate.reached().await;
///     // … what is to happen first …
///     gate.open();
/// }
/// ```
#[derive(Debug)]
pub struct Gate {
    reached: watch::Receiver<bool>,
    open: watch::Sender<bool>,
}

/// The side of the operation.
#[derive(Debug)]
pub(super) struct Barrier {
    reached: watch::Sender<bool>,
    open: watch::Receiver<bool>,
}

impl Gate {
    /// Returns when an operation stands at the gate, at once if it does already. Never returns if
    /// none comes.
    ///
    /// ```
    /// use cloakroom_conformance::instrumented::Gate;
    ///
    /// async fn overtake(gate: Gate) {
    ///     gate.reached().await;
    ///     // … what is to happen first; dropping the gate opens it …
    /// }
    /// ```
    pub async fn reached(&self) {
        if self
            .reached
            .clone()
            .wait_for(|reached| *reached)
            .await
            .is_err()
        {
            // The plan was forgotten, or the operation dropped before it got here.
            std::future::pending::<()>().await;
        }
    }

    /// Lets the operation go on, and does not stop it if it comes later.
    ///
    /// ```
    /// use cloakroom_conformance::instrumented::{Control, Operation};
    ///
    /// let control = Control::default();
    /// let gate = control.on(Operation::Load).pause_after();
    /// gate.open();
    /// ```
    pub fn open(self) {
        self.open.send_replace(true);
    }

    pub(super) fn new() -> (Self, Barrier) {
        let (reach, reached) = watch::channel(false);
        let (open, opened) = watch::channel(false);
        let gate = Self { reached, open };
        let barrier = Barrier {
            reached: reach,
            open: opened,
        };
        (gate, barrier)
    }
}

impl Barrier {
    pub(super) async fn pass(&mut self) {
        self.reached.send_replace(true);
        // An error means that the gate was dropped, which opens it.
        let _ = self.open.wait_for(|open| *open).await;
    }
}
