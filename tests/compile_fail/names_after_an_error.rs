//! A network of any name, with a mistake: one message for each, none about the generated code.
#![allow(non_camel_case_types)]

macro_rules! mistaken {
    ($($name:ident)*) => {$(
        mod $name {
            cnn::network! {
                pub network $name {
                    input(4x4);
                    r#type: dense(2);
                    none: dense(2);
                }
            }
        }
    )*};
}

mistaken!(rt f32 usize str Sized input output workspace parameters I O P r#match Clone);

fn main() {
    let net = rt::rt::new(1);
    let _: [f32; 2] = net.predict(&[[0.0; 4]; 4]);
    let _ = net.r#type().kernel();
    let _ = r#match::r#match::INPUT;
}
