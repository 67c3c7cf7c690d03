//! Which key gives which command, what the hand holds besides, and how a shortcut is read and written.
//!
//! Separate from the table of commands because a person changes this, and not that.

use std::collections::BTreeMap;

use egui::{Key, KeyboardShortcut, Modifiers};

use super::{COMMANDS, Command, find};
use crate::app::action::Action;

/// What mouse and held keys do: what is done, with what; none of it can be changed.
pub const HELD: &[(&str, &str)] = &[
    ("Active tool", "Left button"),
    ("Brightness and contrast", "Right button, or W + left"),
    ("Finer, coarser", "Shift, Ctrl"),
    ("Move the image", "Middle button, or Space + left"),
    ("Zoom, or frames of a stack", "Wheel"),
    ("Zoom in a stack", "Ctrl + wheel"),
    ("Fit", "Double click"),
    ("Move the image", "Arrows"),
    ("Brightness and contrast", "Alt + arrows"),
    ("Zoom", "+ and −"),
    ("Size of the window's text", "Ctrl + and Ctrl −, Ctrl 0"),
    ("Next control", "Tab"),
];

/// What has a shortcut already.
#[derive(Clone, Copy)]
pub enum Taken {
    /// A command, with which it can be exchanged.
    Command(&'static Command),
    /// Something that cannot be changed, in words.
    Held(&'static str),
}

impl Taken {
    /// What a person reads.
    pub const fn title(&self) -> &'static str {
        match self {
            Self::Command(command) => command.title,
            Self::Held(what) => what,
        }
    }

    /// The command, where it is one.
    pub const fn command(&self) -> Option<&'static Command> {
        match self {
            Self::Command(command) => Some(command),
            Self::Held(_) => None,
        }
    }
}

/// What a shortcut does that no command may take from it.
fn reserved(id: &str, shortcut: KeyboardShortcut) -> Option<&'static str> {
    let control = shortcut.modifiers.command;
    match shortcut.logical_key {
        Key::W if !control && !shortcut.modifiers.alt => {
            Some("Hold to window with the left button")
        }
        Key::Space if !control => Some("Hold to move the image"),
        Key::ArrowLeft | Key::ArrowRight | Key::ArrowUp | Key::ArrowDown if !control => {
            Some("Move the image, with Alt its window")
        }
        Key::Plus | Key::Equals | Key::Minus | Key::Num0 if control => {
            Some("Size of the window's text")
        }
        Key::Plus | Key::Equals | Key::Minus => Some("Zoom"),
        Key::Tab if !(id == "before-after" && shortcut.modifiers.is_none()) => {
            Some("Go to the next control")
        }
        Key::Escape if id != "cancel" => Some("Cancel"),
        Key::C | Key::X | Key::V if control && !shortcut.modifiers.shift => {
            Some("Copy, cut and paste")
        }
        _ => None,
    }
}

/// Which command each shortcut gives.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    bound: Vec<(&'static str, KeyboardShortcut)>,
}

impl Keys {
    /// The defaults with the changes of a person; a change that cannot be read leaves the default.
    pub fn new(changed: &BTreeMap<String, String>) -> Self {
        let mut bound: Vec<_> = COMMANDS
            .iter()
            .filter_map(|command| {
                let text = changed
                    .get(command.id)
                    .map_or(command.default, String::as_str);
                let own = parse(text).filter(|own| reserved(command.id, *own).is_none());
                let shortcut = own.or_else(|| {
                    if text.is_empty() {
                        None
                    } else {
                        parse(command.default)
                    }
                });
                Some((command.id, shortcut?))
            })
            .collect();
        // More modifiers first: Ctrl+Shift+Z must not be eaten by Ctrl+Z.
        bound.sort_by_key(|(_, shortcut)| {
            let m = shortcut.modifiers;
            std::cmp::Reverse(u8::from(m.command) + u8::from(m.shift) + u8::from(m.alt))
        });
        Self { bound }
    }

    /// Every command with its first key.
    pub fn default_keys() -> Self {
        Self::new(&BTreeMap::new())
    }

    /// The shortcut of a command, as written; empty when it has none.
    pub fn label(&self, id: &str) -> String {
        self.bound
            .iter()
            .find(|(bound, _)| *bound == id)
            .map(|(_, shortcut)| write(*shortcut))
            .unwrap_or_default()
    }

    /// What has this shortcut already: another command, or something that is held or cannot be changed.
    pub fn conflict(&self, id: &str, shortcut: &str) -> Option<Taken> {
        let wanted = parse(shortcut)?;
        if let Some(what) = reserved(id, wanted) {
            return Some(Taken::Held(what));
        }
        self.bound
            .iter()
            .find(|(bound, taken)| *bound != id && *taken == wanted)
            .and_then(|(bound, _)| find(bound))
            .map(Taken::Command)
    }

    /// The actions whose keys were pressed; the keys are taken out of the input.
    ///
    /// While `typing`, only shortcuts with Ctrl or a function key count, and Enter, Escape and Tab are the field's.
    pub fn take(&self, ctx: &egui::Context, typing: bool) -> Vec<Action> {
        ctx.input_mut(|input| {
            let mut actions = Vec::new();
            for (id, shortcut) in &self.bound {
                // Tab moves the focus; where it means something else the window takes it before egui does.
                let tab = shortcut.logical_key == Key::Tab && shortcut.modifiers.is_none();
                if tab || (typing && !counts_while_typing(*shortcut)) {
                    continue;
                }
                if consume(input, *shortcut)
                    && let Some(command) = find(id)
                {
                    actions.push((command.action)());
                }
            }
            actions
        })
    }
}

fn counts_while_typing(shortcut: KeyboardShortcut) -> bool {
    let editing = matches!(
        shortcut.logical_key,
        Key::Z | Key::Y | Key::A | Key::W | Key::H | Key::K | Key::Backspace | Key::Delete
    );
    let function = shortcut.logical_key.name().starts_with('F')
        && shortcut.logical_key.name().len() > 1
        && shortcut.modifiers.is_none();
    (shortcut.modifiers.command && !editing) || function
}

/// Takes one press out of the input. Signs such as `?` and `[` need Shift on some layouts, so Shift is free there.
fn consume(input: &mut egui::InputState, shortcut: KeyboardShortcut) -> bool {
    let sign = shortcut.logical_key.name().len() > 1
        && shortcut.logical_key.symbol_or_name().chars().count() == 1
        && !shortcut
            .logical_key
            .symbol_or_name()
            .chars()
            .all(char::is_alphanumeric);
    let mut taken = false;
    input.events.retain(|event| {
        let hit = matches!(event, egui::Event::Key { key, pressed: true, repeat, modifiers, .. }
            if *key == shortcut.logical_key
                && (!repeat || matches!(key, Key::OpenBracket | Key::CloseBracket | Key::PageDown | Key::PageUp | Key::Z))
                && modifiers.alt == shortcut.modifiers.alt
                && modifiers.command == shortcut.modifiers.command
                && (sign || modifiers.shift == shortcut.modifiers.shift));
        taken |= hit;
        !hit
    });
    taken
}

/// Reads a shortcut as written: `Ctrl+Shift+Z`, `[`, `F5`.
pub fn parse(text: &str) -> Option<KeyboardShortcut> {
    let mut modifiers = Modifiers::NONE;
    let mut rest = text;
    while let Some((first, other)) = rest.split_once('+') {
        if other.is_empty() {
            break;
        }
        modifiers = modifiers.plus(match first {
            "Ctrl" | "Cmd" => Modifiers::COMMAND,
            "Shift" => Modifiers::SHIFT,
            "Alt" => Modifiers::ALT,
            _ => return None,
        });
        rest = other;
    }
    Key::from_name(rest).map(|key| KeyboardShortcut::new(modifiers, key))
}

/// Writes a shortcut as a person reads it.
pub fn write(shortcut: KeyboardShortcut) -> String {
    let mut text = String::new();
    for (held, name) in [
        (shortcut.modifiers.command, "Ctrl+"),
        (shortcut.modifiers.shift, "Shift+"),
        (shortcut.modifiers.alt, "Alt+"),
    ] {
        if held {
            text.push_str(name);
        }
    }
    text.push_str(match shortcut.logical_key {
        Key::OpenBracket => "[",
        Key::CloseBracket => "]",
        Key::Questionmark => "?",
        Key::Period => ".",
        Key::Comma => ",",
        Key::Escape => "Esc",
        key => key.name(),
    });
    text
}
