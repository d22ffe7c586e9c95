//! Where the nodes of a graph, the boxes of its blocks, and its skips lie.

use super::Node;

/// The height of a node, and the distance of two.
pub(super) const NODE: f64 = 26.0;
const GAP: f64 = 14.0;
/// The room of a block's name, and that below its last node.
const NAME: f64 = 22.0;
const BELOW: f64 = 8.0;

/// Where everything is.
pub(super) struct Layout<'a> {
    /// The upper edge of each node.
    pub(super) tops: Vec<f64>,
    pub(super) blocks: Vec<Block<'a>>,
    pub(super) skips: Vec<Skip>,
    /// How deep blocks are within each other.
    pub(super) depth: usize,
    /// How many lanes the skips take.
    pub(super) lanes: usize,
    pub(super) height: f64,
}

/// The box of a block.
pub(super) struct Block<'a> {
    pub(super) name: &'a str,
    /// How many blocks are around it.
    pub(super) depth: usize,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

/// An edge that is not one to the next node.
#[derive(Debug, PartialEq)]
pub(super) struct Skip {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Which lane it takes, from the inside.
    pub(super) lane: usize,
}

impl<'a> Layout<'a> {
    pub(super) fn of(nodes: &[Node<'a>]) -> Self {
        let mut tops = Vec::new();
        let mut blocks: Vec<Block<'a>> = Vec::new();
        // The blocks around a node: their names and their places in `blocks`.
        let mut open: Vec<(&str, usize)> = Vec::new();
        let mut y = 1.0;
        let mut depth = 0;
        for node in nodes {
            let mut path: Vec<&str> = node.name.split('.').collect();
            path.pop();
            let same = (open.iter().zip(&path))
                .take_while(|((open, _), name)| open == *name)
                .count();
            while open.len() > same {
                close(&mut blocks, &mut open, &mut y);
            }
            if !tops.is_empty() {
                y += GAP;
            }
            for name in &path[same..] {
                open.push((name, blocks.len()));
                blocks.push(Block {
                    name,
                    depth: open.len() - 1,
                    top: y,
                    bottom: y,
                });
                y += NAME;
            }
            depth = depth.max(path.len());
            tops.push(y);
            y += NODE;
        }
        while !open.is_empty() {
            close(&mut blocks, &mut open, &mut y);
        }
        let skips = skips(nodes);
        Self {
            tops,
            blocks,
            lanes: skips.iter().map(|skip| skip.lane + 1).max().unwrap_or(0),
            skips,
            depth,
            height: y + 1.0,
        }
    }
}

/// Ends the innermost block that is open.
fn close(blocks: &mut [Block<'_>], open: &mut Vec<(&str, usize)>, y: &mut f64) {
    if let Some((_, place)) = open.pop() {
        *y += BELOW;
        blocks[place].bottom = *y;
    }
}

/// All skips with their lanes: the short ones inside, each in the first lane that is free from its first node to its last.
fn skips(nodes: &[Node<'_>]) -> Vec<Skip> {
    let edges = nodes.iter().enumerate().flat_map(|(to, node)| {
        let reads = node.reads.iter().filter(move |from| **from + 1 != to);
        reads.map(move |from| Skip {
            from: *from,
            to,
            lane: 0,
        })
    });
    let mut skips: Vec<Skip> = edges.collect();
    skips.sort_by_key(|skip| (skip.to - skip.from, skip.from));
    // A node that reads a value twice has one edge for it.
    skips.dedup_by_key(|skip| (skip.from, skip.to));
    let mut lanes: Vec<Vec<(usize, usize)>> = Vec::new();
    for skip in &mut skips {
        let is_free = |lane: &Vec<(usize, usize)>| {
            lane.iter()
                .all(|(from, to)| skip.to <= *from || *to <= skip.from)
        };
        skip.lane = lanes.iter().position(is_free).unwrap_or(lanes.len());
        if skip.lane == lanes.len() {
            lanes.push(Vec::new());
        }
        lanes[skip.lane].push((skip.from, skip.to));
    }
    skips
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node<'a>(name: &'a str, reads: &'a [usize]) -> Node<'a> {
        Node {
            name,
            keyword: "add",
            shape: &[1],
            reads,
            parameters: 0,
        }
    }

    #[test]
    fn skips_that_meet_share_a_lane_and_others_do_not() {
        let nodes = [
            node("a", &[]),
            node("b", &[0]),
            node("c", &[1, 0]),
            node("d", &[2]),
            node("e", &[3, 2, 0, 0]),
        ];
        let skip = |from, to, lane| Skip { from, to, lane };
        let expected = [skip(0, 2, 0), skip(2, 4, 0), skip(0, 4, 1)];
        assert_eq!(Layout::of(&nodes).skips, expected);
        assert_eq!(Layout::of(&nodes).lanes, 2);
    }

    #[test]
    fn a_block_is_around_its_nodes_and_around_the_blocks_in_it() {
        let nodes = [
            node("input", &[]),
            node("a.b.x", &[0]),
            node("a.b.y", &[1]),
            node("a.x", &[2]),
            node("b.x", &[3]),
        ];
        let layout = Layout::of(&nodes);
        let found: Vec<_> = (layout.blocks.iter())
            .map(|block| {
                let within = |top: &&f64| block.top < **top && **top + NODE < block.bottom;
                let nodes = layout.tops.iter().filter(within).count();
                (block.name, block.depth, nodes)
            })
            .collect();
        assert_eq!(found, [("a", 0, 3), ("b", 1, 2), ("b", 0, 1)]);
        let [outer, inner, next] = &layout.blocks[..] else {
            panic!("three blocks");
        };
        assert!(outer.top < inner.top && inner.bottom < outer.bottom && outer.bottom < next.top);
        assert!(layout.tops.is_sorted() && next.bottom <= layout.height);
        assert_eq!(layout.depth, 2);
    }
}
