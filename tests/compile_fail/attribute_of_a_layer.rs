//! Attributes are those of the struct: inside of a network there are none.

cnn::network! {
    #[derive(Default)]
    network Attributed {
        input(4);
        #[cfg(test)]
        dense(2);
        train {
            #[allow(unused)]
            loss = mse;
        }
    }
}

fn main() {
    let _ = Attributed::default();
}
