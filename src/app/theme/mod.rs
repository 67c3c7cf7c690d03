//! Colours, fonts, icons and sizes of the window.
//!
//! Separate because nothing else in the window may name a colour: what a colour means is decided once, for both
//! themes. Meanings are Okabe and Ito's colour-blind safe set, always with a second cue (pattern, shape or letter).

pub mod palette;

use std::sync::Arc;

use egui::{
    Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, RichText, Shadow,
    Stroke, Style, TextStyle, Theme, Visuals, vec2,
};

/// The colours of one theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Behind the images: the darkest.
    pub ground: Color32,
    /// Panels.
    pub panel: Color32,
    /// Controls on a panel.
    pub control: Color32,
    /// Controls under the pointer.
    pub hovered: Color32,
    /// Lines between panels.
    pub line: Color32,
    /// Text.
    pub text: Color32,
    /// Labels, units and hints.
    pub dim: Color32,
    /// The one action that matters, and focus.
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// What is selected.
    pub selected: Color32,
    /// Hint strokes.
    pub sketch: Color32,
    /// What will be regenerated (hatched).
    pub regenerate: Color32,
    /// What is kept.
    pub kept: Color32,
    /// Hip points.
    pub landmark: Color32,
    /// The patient's right, with the letter R.
    pub right: Color32,
    /// The patient's left, with the letter L.
    pub left: Color32,
    /// Synthetic pixels, with the word.
    pub synthetic: Color32,
    /// Something is wrong.
    pub wrong: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// The dark theme, the default: the image is the brightest thing on the screen.
pub const DARK: Palette = Palette {
    ground: rgb(0x0F_1113),
    panel: rgb(0x16_191C),
    control: rgb(0x21_262B),
    hovered: rgb(0x2C_3238),
    line: rgb(0x26_2B30),
    text: rgb(0xD6_DADE),
    dim: rgb(0x8B_949C),
    accent: rgb(0x3A_7CA5),
    on_accent: rgb(0xF4_F8FB),
    selected: rgb(0x1F_3A4D),
    sketch: rgb(0x56_B4E9),
    regenerate: rgb(0xE6_9F00),
    kept: rgb(0x00_9E73),
    landmark: rgb(0xF0_E442),
    right: rgb(0x56_B4E9),
    left: rgb(0xD5_5E00),
    synthetic: rgb(0xCC_79A7),
    wrong: rgb(0xE0_6C5A),
};

/// The light theme: the same hues, dark enough to be read on white.
pub const LIGHT: Palette = Palette {
    ground: rgb(0xE6_E9EC),
    panel: rgb(0xF7_F8FA),
    control: rgb(0xE9_ECEF),
    hovered: rgb(0xDD_E2E7),
    line: rgb(0xD3_D9DF),
    text: rgb(0x1B_1F23),
    dim: rgb(0x59_626B),
    accent: rgb(0x00_6299),
    on_accent: rgb(0xFF_FFFF),
    selected: rgb(0xCF_E4F2),
    sketch: rgb(0x00_72B2),
    regenerate: rgb(0xA8_6D00),
    kept: rgb(0x00_7A59),
    landmark: rgb(0x7A_7000),
    right: rgb(0x00_72B2),
    left: rgb(0xB8_4C00),
    synthetic: rgb(0xA8_4A80),
    wrong: rgb(0xB3_3A2B),
};

/// The palette of the theme that is shown.
pub const fn palette(visuals: &Visuals) -> &'static Palette {
    if visuals.dark_mode { &DARK } else { &LIGHT }
}

/// Height of every control in a panel, points.
pub const CONTROL_HEIGHT: f32 = 26.0;
/// Width of the column with recipe and readouts, points.
pub const SIDE_WIDTH: f32 = 296.0;
/// Margin inside panels, points.
pub const MARGIN: i8 = 14;

/// The semi-bold face.
pub fn strong() -> FontFamily {
    FontFamily::Name("strong".into())
}

/// The face of icons.
pub fn icons() -> FontFamily {
    FontFamily::Name("icons".into())
}

/// An icon as text.
pub fn icon(glyph: &str, size: f32) -> RichText {
    RichText::new(glyph).font(FontId::new(size, icons()))
}

/// A heading of a section.
pub fn heading(text: &str) -> RichText {
    RichText::new(text).font(FontId::new(13.0, strong()))
}

/// Installs fonts and both themes.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    for (theme, palette) in [(Theme::Dark, &DARK), (Theme::Light, &LIGHT)] {
        ctx.style_mut_of(theme, |style| apply(style, palette));
    }
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let faces: [(&str, &'static [u8]); 3] = [
        (
            "inter",
            include_bytes!("../../../assets/fonts/Inter-Regular.otf"),
        ),
        (
            "inter-semibold",
            include_bytes!("../../../assets/fonts/Inter-SemiBold.otf"),
        ),
        (
            "phosphor",
            include_bytes!("../../../assets/fonts/Phosphor.ttf"),
        ),
    ];
    for (name, bytes) in faces {
        let mut data = FontData::from_static(bytes);
        if name == "phosphor" {
            // Icons sit on the optical middle of the capitals beside them.
            data.tweak.y_offset_factor = 0.06;
        }
        fonts.font_data.insert(name.to_owned(), Arc::new(data));
    }
    let fallback = fonts
        .families
        .get(&FontFamily::Proportional)
        .cloned()
        .unwrap_or_default();
    let family = |first: &str| {
        let mut names = vec![first.to_owned(), "phosphor".to_owned()];
        names.extend(fallback.iter().cloned());
        names
    };
    fonts
        .families
        .insert(FontFamily::Proportional, family("inter"));
    fonts.families.insert(strong(), family("inter-semibold"));
    fonts.families.insert(icons(), family("phosphor"));
    fonts
}

fn apply(style: &mut Style, p: &Palette) {
    style.text_styles = [
        (TextStyle::Small, FontId::proportional(11.5)),
        (TextStyle::Body, FontId::proportional(13.0)),
        (TextStyle::Button, FontId::proportional(13.0)),
        (TextStyle::Heading, FontId::new(18.0, strong())),
        (TextStyle::Monospace, FontId::proportional(13.0)),
    ]
    .into();
    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(8.0, 6.0);
    spacing.button_padding = vec2(10.0, 4.0);
    spacing.interact_size = vec2(32.0, CONTROL_HEIGHT);
    spacing.menu_margin = Margin::same(6);
    spacing.window_margin = Margin::same(16);
    spacing.slider_rail_height = 4.0;
    spacing.icon_width = 16.0;
    spacing.icon_width_inner = 10.0;
    spacing.tooltip_width = 320.0;
    spacing.combo_width = 120.0;
    style.animation_time = 0.08;
    visuals(&mut style.visuals, p);
}

fn visuals(visuals: &mut Visuals, p: &Palette) {
    visuals.panel_fill = p.panel;
    visuals.window_fill = p.panel;
    visuals.extreme_bg_color = p.ground;
    visuals.text_edit_bg_color = Some(p.control);
    visuals.faint_bg_color = p.control;
    visuals.window_stroke = Stroke::new(1.0, p.line);
    visuals.window_corner_radius = CornerRadius::same(8);
    visuals.menu_corner_radius = CornerRadius::same(6);
    visuals.window_shadow = Shadow {
        offset: [0, 6],
        blur: 24,
        spread: 0,
        color: Color32::from_black_alpha(if visuals.dark_mode { 120 } else { 40 }),
    };
    visuals.popup_shadow = visuals.window_shadow;
    visuals.weak_text_color = Some(p.dim);
    visuals.selection.bg_fill = p.selected;
    visuals.selection.stroke = Stroke::new(1.0, p.text);
    visuals.hyperlink_color = p.sketch;
    visuals.warn_fg_color = p.regenerate;
    visuals.error_fg_color = p.wrong;
    visuals.slider_trailing_fill = true;
    visuals.handle_shape = egui::style::HandleShape::Circle;
    visuals.striped = false;
    visuals.indent_has_left_vline = false;
    let widgets = &mut visuals.widgets;
    for (widget, fill, text, border) in [
        (&mut widgets.noninteractive, p.panel, p.text, p.line),
        (&mut widgets.inactive, p.control, p.text, p.control),
        (&mut widgets.hovered, p.hovered, p.text, p.hovered),
        (&mut widgets.active, p.selected, p.text, p.accent),
        (&mut widgets.open, p.hovered, p.text, p.hovered),
    ] {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.fg_stroke = Stroke::new(1.0, text);
        widget.bg_stroke = Stroke::new(1.0, border);
        widget.corner_radius = CornerRadius::same(5);
        widget.expansion = 0.0;
    }
}

/// Code points of the bundled icon font, by the icon's own name.
pub mod glyph {
    /// `paint-brush`.
    pub const BRUSH: &str = "\u{e6f0}";
    /// `pen-nib`.
    pub const PEN: &str = "\u{e3ac}";
    /// `eraser`.
    pub const ERASER: &str = "\u{e21e}";
    /// `lasso`.
    pub const LASSO: &str = "\u{edc6}";
    /// `rectangle-dashed`.
    pub const RECTANGLE: &str = "\u{e3f2}";
    /// `paint-bucket`.
    pub const FILL: &str = "\u{e392}";
    /// `bone`.
    pub const HIPS: &str = "\u{e7f2}";
    /// `ruler`.
    pub const LENGTH: &str = "\u{e6b8}";
    /// `angle`.
    pub const ANGLE: &str = "\u{e7bc}";
    /// `circle-dashed`.
    pub const CIRCLE: &str = "\u{e602}";
    /// `cursor`.
    pub const SELECT: &str = "\u{e1dc}";
    /// `hand`.
    pub const PAN: &str = "\u{e298}";
    /// `arrow-u-up-left`.
    pub const UNDO: &str = "\u{e08a}";
    /// `arrow-u-up-right`.
    pub const REDO: &str = "\u{e08c}";
    /// `floppy-disk`.
    pub const SAVE: &str = "\u{e248}";
    /// `folder-open`.
    pub const OPEN: &str = "\u{e256}";
    /// `export`.
    pub const EXPORT: &str = "\u{eaf0}";
    /// `eye`.
    pub const SHOW: &str = "\u{e220}";
    /// `eye-slash`.
    pub const HIDE: &str = "\u{e224}";
    /// `x`.
    pub const CLOSE: &str = "\u{e4f6}";
    /// `check`.
    pub const ACCEPT: &str = "\u{e182}";
    /// `trash`.
    pub const REJECT: &str = "\u{e4a6}";
    /// `sliders-horizontal`.
    pub const RECIPE: &str = "\u{e434}";
    /// `warning`.
    pub const WARNING: &str = "\u{e4e0}";
    /// `info`.
    pub const INFO: &str = "\u{e2ce}";
    /// `question`.
    pub const HELP: &str = "\u{e3e8}";
    /// `sparkle`.
    pub const GENERATE: &str = "\u{e6a2}";
    /// `lightning`.
    pub const LIVE: &str = "\u{e2de}";
    /// `dice-five`.
    pub const SEED: &str = "\u{e1ee}";
    /// `stop`.
    pub const STOP: &str = "\u{e46c}";
    /// `corners-out`.
    pub const FIT: &str = "\u{e1d0}";
    /// `magnifying-glass`.
    pub const ZOOM: &str = "\u{e30c}";
    /// `image`.
    pub const IMAGE: &str = "\u{e2ca}";
    /// `clock`.
    pub const CLOCK: &str = "\u{e19a}";
    /// `copy`.
    pub const COPY: &str = "\u{e1ca}";
    /// `layout`.
    pub const LAYOUT: &str = "\u{e6d6}";
    /// `flip-horizontal`.
    pub const FLIP: &str = "\u{ed6a}";
    /// `arrow-clockwise`.
    pub const ROTATE: &str = "\u{e036}";
    /// `circle-half`.
    pub const INVERT: &str = "\u{e18c}";
    /// `square-split-horizontal`.
    pub const COMPARE: &str = "\u{e870}";
    /// `cpu`.
    pub const DEVICE: &str = "\u{e610}";
    /// `detective`.
    pub const IDENTITY: &str = "\u{e83e}";
    /// `flask`.
    pub const SYNTHETIC: &str = "\u{e79e}";
    /// `sun`.
    pub const LIGHT: &str = "\u{e472}";
    /// `moon`.
    pub const DARK: &str = "\u{e330}";
    /// `command`.
    pub const COMMAND: &str = "\u{e1c4}";
    /// `keyboard`.
    pub const KEYBOARD: &str = "\u{e2d8}";
    /// `x-circle`.
    pub const CLEAR: &str = "\u{e4f8}";
    /// `check-circle`.
    pub const DONE: &str = "\u{e184}";
    /// `bell`.
    pub const NOTICES: &str = "\u{e0ce}";
    /// `images`.
    pub const RESULTS: &str = "\u{e836}";
    /// `gauge`.
    pub const READOUTS: &str = "\u{e628}";
    /// `list-checks`.
    pub const JOBS: &str = "\u{eadc}";
    /// `tray-arrow-down`.
    pub const DROP: &str = "\u{e010}";
    /// `clock-counter-clockwise`.
    pub const RESTORE: &str = "\u{e1a0}";
    /// `caret-down`.
    pub const CARET_DOWN: &str = "\u{e136}";
    /// `caret-right`.
    pub const CARET_RIGHT: &str = "\u{e13a}";
    /// `plus`.
    pub const PLUS: &str = "\u{e3d4}";
    /// `minus`.
    pub const MINUS: &str = "\u{e32a}";
    /// `lock-simple`.
    pub const LOCK: &str = "\u{e308}";
    /// `scribble`.
    pub const SKETCH: &str = "\u{e806}";
    /// `selection-background`.
    pub const MASK: &str = "\u{eaf8}";
    /// `sun-dim`.
    pub const WINDOW: &str = "\u{e474}";
    /// `frame-corners`.
    pub const FULL_SCREEN: &str = "\u{e626}";
    /// `swap`.
    pub const SWAP: &str = "\u{e83c}";
    /// `list`.
    pub const MENU: &str = "\u{e2f0}";
    /// `play`.
    pub const PLAY: &str = "\u{e3d0}";
}
