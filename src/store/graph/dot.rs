//! A subgraph in the language of Graphviz, to be drawn by `dot -Tsvg`.
//!
//! Values come from log lines, which anybody may write. Two layers read a label: the lexer of DOT,
//! for which `"` ends it, and the renderer, for which `\n`, `\l`, `\N`… and `&amp;` mean something.
//! Both are escaped; nodes are named by their UUIDs, never by their values.
//!
//! No tooltips with the whole of a long value: Graphviz 2.43 reads the escapes of a tooltip twice and
//! entities before them, so that a backslash in a value could not be written safely.

use std::fmt::Write as _;

use super::{Node, Relation, Subgraph};
use crate::event::entity::EntityType;

/// Longest text in a label, characters.
const LABEL_CHARS: usize = 60;
/// What is kept of the end of a longer one, characters: paths and domains differ there.
const LABEL_END_CHARS: usize = 20;

/// The subgraph as a `digraph`; its first node, the one that was asked for, has a bold outline.
pub fn to_dot(subgraph: &Subgraph<'_>) -> String {
    let mut out = String::from(
        "digraph entities {\n  \
           graph [rankdir=LR, ranksep=0.9, fontname=\"Helvetica\", fontsize=10];\n  \
           node [style=filled, color=\"#444444\", fontcolor=\"#111111\", fontname=\"Helvetica\", fontsize=11];\n  \
           edge [color=\"#777777\", fontcolor=\"#444444\", fontname=\"Helvetica\", fontsize=9];\n",
    );
    if subgraph.cut {
        out.push_str("  label=\"Not everything is shown: there is more than can be drawn.\";\n");
    }
    for (position, node) in subgraph.nodes.iter().enumerate() {
        write_node(&mut out, node, position == 0);
    }
    for edge in &subgraph.edges {
        write_edge(&mut out, edge);
    }
    out.push_str("}\n");
    out
}

fn write_node(out: &mut String, node: &Node, is_center: bool) {
    let Node { uuid, kind, .. } = node;
    let (shape, fill) = look(*kind);
    let width = if is_center { ", penwidth=3" } else { "" };
    let _ = write!(out, "  \"{uuid}\" [label=\"");
    escape(out, &node.value);
    let _ = writeln!(
        out,
        "\\n{kind}\", shape={shape}, fillcolor=\"{fill}\"{width}];"
    );
}

fn write_edge(out: &mut String, edge: &Relation<'_>) {
    let (source, target) = (edge.source.uuid, edge.target.uuid);
    let _ = write!(out, "  \"{source}\" -> \"{target}\" [label=\"");
    escape(out, edge.rel_type);
    let _ = writeln!(out, " ×{}\"];", edge.count);
}

/// Shape and fill. The text stands out on each (contrast above 9), and the type stands in each label,
/// so that no colour tells anything alone.
fn look(kind: EntityType) -> (&'static str, &'static str) {
    match kind {
        EntityType::User => ("ellipse", "#a6cee3"),
        EntityType::Person => ("ellipse", "#fdd0a2"),
        EntityType::Pet => ("egg", "#e5d8bd"),
        EntityType::Ip => ("diamond", "#fbb4ae"),
        EntityType::Domain => ("hexagon", "#fbb4ae"),
        EntityType::Host => ("box3d", "#b2df8a"),
        EntityType::Process => ("component", "#cab2d6"),
        EntityType::FilePath => ("note", "#ffffb3"),
        EntityType::Camera => ("house", "#b3e2cd"),
        EntityType::Sensor => ("octagon", "#d9d9d9"),
    }
}

/// Appends `text` so that both layers give it back as it is, without its middle when it is long;
/// what cannot be seen, or turns what stands around it, is replaced by what can.
fn escape(out: &mut String, text: &str) {
    let count = text.chars().count();
    let hidden = if count > LABEL_CHARS {
        LABEL_CHARS - LABEL_END_CHARS..count - LABEL_END_CHARS
    } else {
        0..0
    };
    for (position, letter) in text.chars().enumerate() {
        match letter {
            _ if hidden.contains(&position) => {
                if position == hidden.start {
                    out.push('…');
                }
            }
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            letter => out.push(visible(letter)),
        }
    }
}

/// The control pictures of Unicode (U+2400…) for ASCII's control characters, U+FFFD for the other
/// control characters, line ends and marks of direction.
fn visible(letter: char) -> char {
    match letter {
        '\0'..='\x1f' => char::from_u32(0x2400 + letter as u32).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => '\u{fffd}',
        letter => letter,
    }
}
