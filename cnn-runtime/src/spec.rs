//! The static description of a network.
