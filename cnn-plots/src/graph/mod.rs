//! [`graph`]: the layers of a network and what flows between them.
//!
//! ```text
//! Node ──▶ layout: rows, boxes of blocks, lanes of skips ──▶ shapes
//! ```
//!
//! All nodes stand in one column, in the order in which they are computed. An edge to the next node is an arrow between
//! them, any other one runs through a lane to the right of the column. So every graph can be drawn, and no edge crosses a
//! node.

mod layout;

use std::borrow::Cow;

use crate::error::{PlotError, Shape};
use crate::picture::Picture;
use crate::scale::thousands;
use crate::svg::{Anchor, Area, BOLD, Number, Svg, shorten, text_width};
use crate::theme::{TEXT, WIDTH};
use layout::{Layout, NODE};

/// The width of a node.
const BOX: f64 = 470.0;
/// Where the arrows between nodes are, to the right of the names of blocks.
const SPINE: f64 = 236.0;
/// How far a block reaches beyond what is in it, and the distance of two lanes.
const PADDING: f64 = 10.0;
const LANE: f64 = 14.0;

/// A layer of a network.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Its name. In front of each dot stands a block that it belongs to: `stage2.conv_bn_1.conv2d_1`.
    pub name: &'a str,
    /// What it is: `conv2d`.
    pub keyword: &'a str,
    /// The shape of its value, without the batch axis: `[28, 28, 32]`.
    pub shape: &'a [usize],
    /// The places of the nodes whose values it reads, all in front of its own. None of an input.
    pub reads: &'a [usize],
    /// How many parameters it has.
    pub parameters: usize,
}

/// The graph of a network: its layers in order with their shapes and parameters, blocks as boxes around them, and curved
/// edges where a layer reads something else than the layer above.
///
/// ```
/// use cnn::plots::{Node, graph};
///
/// let node = |name, keyword, reads| Node { name, keyword, shape: &[8, 8, 4], reads, parameters: 0 };
/// let picture = graph(&[
///     node("input", "input", &[]),
///     node("residual_1.conv2d_1", "conv2d", &[0]),
///     node("residual_1.add_1", "add", &[1, 0]),
/// ])?;
/// assert!(picture.svg().contains("residual_1"));
/// # Ok::<(), cnn::plots::PlotError>(())
/// ```
///
/// # Errors
///
/// [`PlotError::Reads`] where a node reads one that does not stand in front of it.
pub fn graph(nodes: &[Node<'_>]) -> Result<Picture, PlotError> {
    for (place, node) in nodes.iter().enumerate() {
        if let Some(read) = node.reads.iter().find(|read| **read >= place) {
            return Err(PlotError::Reads {
                name: node.name.to_owned(),
                place: *read,
            });
        }
    }
    let mut svg = Svg::new();
    if nodes.is_empty() {
        svg.text(
            (0.0, 18.0),
            Anchor::Start,
            "note",
            "The network has no layers.",
        );
        return Ok(Picture::new(svg, (WIDTH, 28.0), "graph of no layers"));
    }
    let layout = Layout::of(nodes);
    let left = layout.depth as f64 * PADDING + 1.0;
    let right = left + BOX;
    for block in &layout.blocks {
        let inset = block.depth as f64 * PADDING + 1.0;
        let width = right + left - 2.0 * inset;
        let area = Area::new(inset, block.top, width, block.bottom - block.top);
        svg.rounded(area, 6.0, "block", "");
        let name = shorten(block.name, TEXT * BOLD, SPINE - PADDING);
        svg.text(
            (inset + 8.0, block.top + 15.0),
            Anchor::Start,
            "note bold",
            &name,
        );
    }
    let middle = left + SPINE;
    for (place, node) in nodes.iter().enumerate() {
        let top = layout.tops[place];
        draw(&mut svg, node, Area::new(left, top, BOX, NODE));
        if place > 0 && node.reads.contains(&(place - 1)) {
            let from = (middle, layout.tops[place - 1] + NODE);
            svg.line(from, (middle, top - 5.0), "edge");
            svg.path(&arrow((middle, top), Side::Down), "arrow");
        }
    }
    // Beyond the boxes of all blocks.
    let lanes = right + left + 12.0;
    for skip in &layout.skips {
        let lane = lanes + skip.lane as f64 * LANE;
        let from = layout.tops[skip.from] + NODE / 2.0 + 4.0;
        let to = layout.tops[skip.to] + NODE / 2.0 - 4.0;
        svg.path(&route((right, from), (right + 6.0, to), lane), "skip");
        svg.path(&arrow((right, to), Side::Left), "skip-arrow");
    }
    let width = match layout.lanes {
        0 => right + left,
        count => lanes + count as f64 * LANE,
    };
    let parameters: usize = nodes.iter().map(|node| node.parameters).sum();
    let description = format!(
        "network of {} layers with {} parameters",
        nodes.len(),
        thousands(parameters)
    );
    Ok(Picture::new(
        svg,
        (width + 1.0, layout.height),
        &description,
    ))
}

fn draw(svg: &mut Svg, node: &Node<'_>, area: Area) {
    let Area { x, y, .. } = area;
    let own = node.name.rsplit('.').next().unwrap_or(node.name);
    let tip = format!("{}: {}", node.name, node.keyword);
    svg.rounded(area, 4.0, "node", &tip);
    svg.rounded(
        Area::new(x, y, 5.0, area.height),
        2.0,
        kind(node.keyword),
        "",
    );
    let line = y + area.height / 2.0 + 4.0;
    // A name that the compiler gave says the keyword already.
    let keyword = match own.starts_with(node.keyword) {
        true => "",
        false => node.keyword,
    };
    const ROOM: f64 = 230.0;
    let name = shorten(own, TEXT * BOLD, ROOM);
    let room = ROOM - text_width(&name, TEXT * BOLD);
    let keyword = match room > 30.0 {
        true => shorten(keyword, TEXT, room),
        false => Cow::Borrowed(""),
    };
    svg.text_and_note((x + 14.0, line), &name, &keyword);
    let shape = Shape(node.shape, "×").to_string();
    svg.text(
        (x + 340.0, line),
        Anchor::End,
        "",
        &shorten(&shape, TEXT, 100.0),
    );
    if node.parameters > 0 {
        let text = format!("{} params", thousands(node.parameters));
        let text = shorten(&text, TEXT, 118.0);
        svg.text((area.right() - 8.0, line), Anchor::End, "note", &text);
    }
}

/// The class of a layer's colour, by what its keyword is about. Other layers are grey.
fn kind(keyword: &str) -> &'static str {
    const JOINS: [&str; 7] = [
        "add", "concat", "multiply", "average", "maximum", "minimum", "subtract",
    ];
    match keyword {
        keyword if JOINS.contains(&keyword) => "kind-f",
        keyword if keyword.contains("conv") => "kind-a",
        keyword if keyword.contains("pool") || keyword.contains("sampling") => "kind-b",
        keyword if keyword.contains("dense") => "kind-c",
        keyword if keyword.contains("normalization") => "kind-d",
        _ => "kind-e",
    }
}

enum Side {
    Down,
    Left,
}

/// The head of an arrow whose point is at a place.
fn arrow((x, y): (f64, f64), side: Side) -> String {
    let (x, y) = (Number(x), Number(y));
    match side {
        Side::Down => format!("M{x} {y}l-4 -7h8z"),
        Side::Left => format!("M{x} {y}l7 -4v8z"),
    }
}

/// From a place to the right, down a lane, and back to another place.
fn route(from: (f64, f64), to: (f64, f64), lane: f64) -> String {
    let radius = ((to.1 - from.1) / 2.0).min(10.0);
    let [x, from_x, to_x] = [lane, from.0, to.0].map(Number);
    let [from_y, to_y] = [from.1, to.1].map(Number);
    let bend = Number(lane - radius);
    let (start, end) = (Number(from.1 + radius), Number(to.1 - radius));
    format!(
        "M{from_x} {from_y}H{bend}Q{x} {from_y} {x} {start}V{end}Q{x} {to_y} {bend} {to_y}H{to_x}"
    )
}
