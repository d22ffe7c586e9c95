//! Ctrl-C ends a training after its step; what was learned is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag for `Trainer::stop` that the first Ctrl-C sets. The second ends the program at once.
///
/// # Errors
///
/// Where the system takes no handler.
pub fn on_ctrl_c() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?;
    Ok(stop)
}
