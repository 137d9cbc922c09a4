use weight_init_client::{Client, Request, Result};

fn main() -> Result<()> {
    let client = Client::from_env(); // WEIGHT_INIT_URL, or http://127.0.0.1:8000
    let weight = client.init(&Request::new([256, 784]).activation("relu").seed(7))?;

    println!("{:?} {}", weight.shape, weight.data.dtype());
    println!("{:?}", &weight.data.f32()[..3]);
    println!("{}", weight.metadata["scheme"]);
    println!("{}", weight.metadata["recommended"]["reason"]);
    Ok(())
}
