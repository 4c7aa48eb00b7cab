//! The icons: drawn in `currentColor`, 16 by 16, silent for screen readers because a word stands beside each.

macro_rules! icon {
    ($name:literal, $body:literal) => {
        concat!(
            "<svg class=\"icon icon-",
            $name,
            "\" viewBox=\"0 0 16 16\" width=\"16\" height=\"16\" aria-hidden=\"true\">",
            $body,
            "</svg>"
        )
    };
}

pub(crate) const TICK: &str = icon!(
    "tick",
    r#"<circle cx="8" cy="8" r="7" fill="currentColor"/><path d="M4.6 8.3l2.3 2.3 4.5-4.9" class="cut"/>"#
);
pub(crate) const OCTAGON: &str = icon!(
    "octagon",
    r#"<path d="M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z" fill="currentColor"/><path d="M4.5 8h7" class="cut"/>"#
);
pub(crate) const TRIANGLE: &str = icon!(
    "triangle",
    r#"<path d="M8 1.4l7 12.9H1z" fill="currentColor" stroke="currentColor" stroke-linejoin="round"/><path d="M8 6v4M8 12v.4" class="cut"/>"#
);
pub(crate) const HOURGLASS: &str = icon!(
    "hourglass",
    r#"<path d="M4 1.5h8M4 14.5h8M5 2v2.6L8 8l3-3.4V2M5 14v-2.6L8 8l3 3.4V14" class="line"/><path d="M6 13.6c.6-1.4 3.4-1.4 4 0z" fill="currentColor"/>"#
);
pub(crate) const SPINNER: &str = icon!(
    "spinner",
    r#"<circle cx="8" cy="8" r="6" class="line faint"/><path d="M8 2a6 6 0 0 1 6 6" class="line spin"/>"#
);
pub(crate) const PAUSE: &str = icon!(
    "pause",
    r#"<circle cx="8" cy="8" r="6" class="line"/><path d="M6.4 5.6v4.8M9.6 5.6v4.8" class="line"/>"#
);
pub(crate) const QUEUE: &str = icon!("queue", r#"<path d="M2.5 4h11M2.5 8h11M2.5 12h6" class="line"/>"#);
pub(crate) const DASHED: &str =
    icon!("dashed", r#"<circle cx="8" cy="8" r="6" class="line" stroke-dasharray="2.6 2.1"/>"#);
pub(crate) const RING: &str = icon!("ring", r#"<circle cx="8" cy="8" r="6" class="line"/>"#);
pub(crate) const DOT: &str = icon!("dot", r#"<circle cx="8" cy="8" r="2.5" fill="currentColor"/>"#);
pub(crate) const CROSS: &str = icon!(
    "cross",
    r#"<circle cx="8" cy="8" r="6" class="line"/><path d="M5.7 5.7l4.6 4.6M10.3 5.7l-4.6 4.6" class="line"/>"#
);
pub(crate) const QUESTION: &str = icon!(
    "question",
    r#"<circle cx="8" cy="8" r="6" class="line"/><path d="M6.2 6.3a1.8 1.8 0 1 1 2.5 1.8c-.5.3-.7.5-.7 1.1M8 11.3v.3" class="line"/>"#
);
/// A bowl's crack, mended: the one gold icon.
pub(crate) const SEAM: &str = icon!(
    "seam",
    r#"<path d="M7 1.1A7 7 0 0 0 6 14.7l1-3.2-1.6-2.6L8 6.2z" fill="currentColor"/><path d="M9 1.1l.9 5.3-2.4 2.7 1.5 2.5-1 3.3A7 7 0 0 0 9 1.1z" fill="currentColor"/>"#
);
pub(crate) const COPY: &str = icon!(
    "copy",
    r#"<path d="M5.5 5.5h8v8h-8z" class="line"/><path d="M10.5 5.2V2.5h-8v8h2.7" class="line"/>"#
);
pub(crate) const THEME: &str = icon!(
    "theme",
    r#"<circle cx="8" cy="8" r="6" class="line"/><path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor"/>"#
);
