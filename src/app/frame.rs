//! How large the window was when it was closed, and how large it opens.
//!
//! Separate because nothing of it is drawn. The size is kept in the units of the desktop, without the zoom of the window
//! (Ctrl and plus), and only where a hand changed it: a small screen, another scale or a second window does not become
//! the size of every later start.

use serde::{Deserialize, Serialize};

/// Size of a first start, in units of the desktop.
const FIRST: [f32; 2] = [1600.0, 1000.0];
/// The least size.
pub const LEAST: [f32; 2] = [1000.0, 640.0];

/// What is remembered of the window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowFrame {
    /// Width and height in units of the desktop: pixels over the scale of the screen.
    pub size: [f32; 2],
    /// Whether it filled the screen, with its bar.
    pub maximized: bool,
}

impl Default for WindowFrame {
    fn default() -> Self {
        Self {
            size: FIRST,
            maximized: false,
        }
    }
}

impl WindowFrame {
    /// The same, or the first start's where a value is of no use.
    #[must_use]
    pub fn checked(self) -> Self {
        let usable = |(size, least): (&f32, &f32)| (*least..=32_768.0).contains(size);
        if self.size.iter().zip(&LEAST).all(usable) {
            self
        } else {
            Self {
                size: FIRST,
                ..self
            }
        }
    }
}

/// The size of the window as a hand leaves it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SizeWatch {
    opened: Option<[f32; 2]>,
    now: Option<[f32; 2]>,
    maximized: Option<bool>,
}

impl SizeWatch {
    /// Takes note of a frame; `zoom` is that of the window, which its points are measured in.
    ///
    /// A window that fills the screen says nothing about the size that it goes back to.
    pub fn see(&mut self, viewport: &egui::ViewportInfo, zoom: f32) {
        let (full, maximized) = (viewport.fullscreen, viewport.maximized);
        if full == Some(true) || viewport.minimized == Some(true) {
            return;
        }
        self.maximized = maximized.or(self.maximized);
        if let Some(inner) = viewport.inner_rect.filter(|_| maximized != Some(true)) {
            let size = [inner.width() * zoom, inner.height() * zoom];
            self.opened.get_or_insert(size);
            self.now = Some(size);
        }
    }

    /// What is to be remembered where `before` was: the size now if it is not the one that the window opened with.
    #[must_use]
    pub fn remembered(&self, before: WindowFrame) -> WindowFrame {
        let moved = self.opened.zip(self.now).filter(|(opened, now)| {
            let far = |(a, b): (&f32, &f32)| (a - b).abs() > 1.5;
            opened.iter().zip(now).any(far)
        });
        let changed = WindowFrame {
            size: moved.map_or(before.size, |(_, now)| now),
            maximized: self.maximized.unwrap_or(before.maximized),
        };
        changed.checked()
    }
}
