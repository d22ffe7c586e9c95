//! Pictures of what `inspect` hands out: the values of a network are its graph and its feature maps at once.

use std::iter;

use cnn_runtime::AsModel;
use cnn_runtime::inspect::{Inspection, Value};

use crate::{FeatureMap, Node, Picture, PlotError};

/// The [feature maps](crate::feature_maps) of all layers of a network for the input that was inspected.
///
/// # Errors
///
/// Those of [`feature_maps`](crate::feature_maps).
///
/// ```
/// # cnn::network! {
/// #     network Edges {
/// #         input(9x9x1);
/// #         conv2d(4, 3x3, activation = relu);
/// #         flatten;
/// #         dense(2, activation = softmax);
/// #         train { loss = categorical_crossentropy; }
/// #     }
/// # }
/// let net = Edges::new(0);
/// let inspection = net.inspect(&[[[0.5]; 9]; 9]);
/// let maps = cnn::plots::inspected_maps(&inspection)?;
/// let graph = cnn::plots::inspected_graph(&net, &inspection)?;
/// assert!(graph.svg().contains("conv2d_1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn inspected_maps(inspection: &Inspection) -> Result<Picture, PlotError> {
    crate::feature_maps(&maps(inspection))
}

/// The [graph](crate::graph) of the network that was inspected.
///
/// # Errors
///
/// Those of [`graph`](crate::graph).
pub fn inspected_graph<N: AsModel>(
    network: &N,
    inspection: &Inspection,
) -> Result<Picture, PlotError> {
    let layers = network.as_model().spec().layers;
    let values = inspection.values();
    // A layer may have several values; its last one is its output, and stands for it.
    let outputs: Vec<usize> = (0..values.len())
        .filter(|&place| values[place].part().is_none())
        .collect();
    let reads: Vec<Vec<usize>> = outputs
        .iter()
        .map(|&place| reads(values, place, &outputs))
        .collect();
    let nodes = outputs.iter().zip(&reads).map(|(&place, reads)| {
        let value = &values[place];
        let layer = layers.iter().find(|layer| layer.name == value.layer());
        Node {
            name: value.layer(),
            keyword: value.keyword(),
            shape: value.shape(),
            reads,
            parameters: layer.map_or(0, |layer| layer.parameters),
        }
    });
    crate::graph(&nodes.collect::<Vec<_>>())
}

/// The outputs of layers, in the order of the source.
fn maps(inspection: &Inspection) -> Vec<FeatureMap<'_>> {
    let values = inspection.values().iter();
    let outputs = values.filter(|value| value.part().is_none());
    let maps = outputs.map(|value| FeatureMap {
        name: value.layer(),
        shape: value.shape(),
        values: value.data(),
    });
    maps.collect()
}

/// The numbers among `outputs` of what the layer of the value at `place` reads, through the parts of the layer.
fn reads(values: &[Value], place: usize, outputs: &[usize]) -> Vec<usize> {
    let read = values[place].reads().iter();
    read.flat_map(|&read| match outputs.binary_search(&read) {
        Ok(number) => Box::new(iter::once(number)) as Box<dyn Iterator<Item = usize>>,
        Err(_) => Box::new(reads(values, read, outputs).into_iter()),
    })
    .collect()
}
