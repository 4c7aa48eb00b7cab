//! How much a chain file may hold: what bounds memory, time and stack on hostile input.

/// Bytes of one file.
pub const MAX_BYTES: usize = 1 << 20;
/// Nested lists and maps.
pub const MAX_DEPTH: usize = 64;
/// Values of one file, copies by alias counted.
pub const MAX_NODES: usize = 100_000;
/// Bytes of text that aliases may add.
pub const MAX_ALIASED_BYTES: usize = 1 << 20;
/// Documents of one file.
pub const MAX_DOCUMENTS: usize = 100;
/// Steps of one chain.
pub const MAX_STEPS: usize = 5_000;
/// Complaints about one file; what follows is counted, not told.
pub const MAX_DIAGNOSTICS: usize = 1_000;
/// Bytes of one CEL expression.
pub const MAX_EXPRESSION: usize = 4_096;
/// Bytes of all CEL expressions of one file.
pub const MAX_EXPRESSIONS: usize = 1 << 18;
/// Nested calls, selections and parentheses of one CEL expression.
pub const MAX_EXPRESSION_DEPTH: u16 = 48;
/// Levels of the tree of one CEL expression: what walks and evaluates it recurses so deep.
pub const MAX_EXPRESSION_HEIGHT: usize = 200;
/// Nested `exists`, `all`, `map`, `filter` of one CEL expression: each level multiplies the time.
pub const MAX_COMPREHENSIONS: usize = 2;
/// Bytes of one template.
pub const MAX_TEMPLATE: usize = 16_384;
/// What the templates of one file that hold more than plain `{{names}}` may cost: the tags of each times its bytes, as
/// the time to read one grows. A hundred messages of 1 KiB with 20 tags each are a third of it.
pub const MAX_TEMPLATE_WORK: usize = 6_000_000;
/// Complaints about one expression or template; more would help nobody.
pub const MAX_COMPLAINTS: usize = 20;
/// Nested blocks, and nested parentheses, of one template.
pub const MAX_TEMPLATE_DEPTH: usize = 8;
/// Bytes that one template may give.
pub const MAX_RENDERED: usize = 1 << 18;
/// Bytes of one glob.
pub const MAX_GLOB: usize = 512;
