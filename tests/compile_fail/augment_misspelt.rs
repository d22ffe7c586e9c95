use cnn::Augment;

cnn::network! {
    network Mirrored {
        input(8x8x3);
        flatten;
        dense(2, activation = softmax);

        train {
            loss = categorical_crossentropy;
            augment = [flip(horizntal), RandomZoom(0.1), zoom(1.5)];
        }
    }
}

fn main() {
    let mut net = Mirrored::new(1);
    let _ = net.trainer().augment([Augment::shift(1)]);
}
