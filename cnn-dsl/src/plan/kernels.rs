//! The part of the plan's table that names kernels: which one runs for each direction of a step, on each
//! instruction set.
//!
//! The choice is the runtime's own, a function of the operation, of the vectors of the machine and of the number
//! of examples (see [`cnn_ir::choice`]). The plan knows all of them but the machine.

use super::stages::place_of;
use super::{Plan, Scope, Step};
use crate::graph::Network;
use crate::text_table::{Align, draw};
use cnn_ir::VectorShape;
use cnn_ir::choice::Direction;
use cnn_ir::operation::Reduction;

/// The instruction sets in the order of their columns, the fastest first.
fn instruction_sets() -> impl Iterator<Item = (&'static str, VectorShape)> {
    VectorShape::ALL.into_iter().rev()
}

impl Plan {
    /// A row for each step, a line for each of its directions, a column for each instruction set, empty where the
    /// same runs as in the column to its left; below it the numbers of examples that the choice is for. Nothing, if
    /// there are no steps.
    pub(super) fn kernels(&self, network: &Network) -> String {
        if self.steps.is_empty() {
            return String::new();
        }
        let batch = network.train.as_ref().map(|train| train.batch_size);
        let sets = instruction_sets().map(|(name, _)| name);
        let columns: Vec<_> = ["Kernels", "Direction"]
            .into_iter()
            .chain(sets)
            .map(|heading| (heading, Align::Left))
            .collect();
        let rows: Vec<_> = (0..self.steps.len())
            .map(|step| {
                let lines = self.lines(step, batch);
                let cells = (0..columns.len() - 1).map(|column| {
                    let cells = lines.iter().map(|line| match column {
                        1.. if line[column] == line[column - 1] => "",
                        _ => line[column],
                    });
                    cells.collect::<Vec<_>>().join("\n")
                });
                let name = self.steps[step].name.clone();
                [name].into_iter().chain(cells).collect()
            })
            .collect();
        let training = match batch {
            Some(batch) => format!(", training in batches of {batch} on one thread"),
            None => String::new(),
        };
        let note = format!(
            " Kernels: prediction of one example{training}\n An empty cell is as its left neighbour\n"
        );
        draw(&columns, &rows) + &note
    }

    /// The lines of a step: a direction, and what runs on each instruction set. A prediction has a line of its
    /// own where another kernel runs than in the forward pass of training.
    fn lines(&self, step: usize, batch: Option<usize>) -> Vec<Vec<&'static str>> {
        let mut lines = Vec::new();
        if let Some(batch) = batch {
            let directions = training(&self.steps[step]);
            lines.extend(directions.map(|direction| self.line(step, direction, batch)));
        }
        // Prediction may have joined the step to another one.
        let prediction = self.for_prediction();
        let node = self.steps[step].node;
        if let Some(step) = prediction.steps.iter().position(|other| other.node == node) {
            let inference = prediction.line(step, Direction::Inference, 1);
            let is_forward = |forward: &Vec<_>| forward[1..] == inference[1..];
            if !lines.first().is_some_and(is_forward) {
                lines.insert(0, inference);
            }
        }
        lines
    }

    /// A direction of a step, and what runs on each instruction set.
    fn line(&self, step: usize, direction: Direction, batch: usize) -> Vec<&'static str> {
        let facts = self.steps[step].operation.facts();
        let examples = self.examples(step, direction, batch);
        let names = instruction_sets().map(|(_, vectors)| {
            let name = facts.kernel_name(direction, examples, vectors);
            name.unwrap_or("–")
        });
        [direction.name()].into_iter().chain(names).collect()
    }

    /// The examples of one call for a step, of a prediction of so many or of a batch on one thread.
    fn examples(&self, step: usize, direction: Direction, examples: usize) -> usize {
        let reduction = self.steps[step].operation.facts().reduction();
        let is_product = direction == Direction::KernelGradient && reduction == Reduction::Batch;
        let schedule = match direction {
            Direction::Inference => &self.inference,
            Direction::Forward | Direction::KernelGradient | Direction::InputGradient => {
                &self.training
            }
        };
        match schedule.stages[place_of(&schedule.stages, step)].scope {
            Scope::Images if !is_product => examples.min(self.micro_batch),
            Scope::Images | Scope::Share => examples,
        }
    }
}

/// What training computes of a step.
fn training(step: &Step) -> impl Iterator<Item = Direction> {
    let wanted = step.wanted();
    let directions = [
        (Direction::Forward, true),
        (Direction::KernelGradient, wanted.tensors),
        (Direction::InputGradient, wanted.input),
    ];
    let computed = directions.into_iter().filter(|(_, is_wanted)| *is_wanted);
    computed.map(|(direction, _)| direction)
}
