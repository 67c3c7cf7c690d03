use radcanvas::phantom::chest::{self, ChestOptions};

#[test]
#[ignore = "writes a sheet"]
fn sheet() {
    let out = std::env::var("SHEET").unwrap();
    let first: u64 = std::env::var("FIRST").map_or(0, |v| v.parse().unwrap());
    let many: usize = std::env::var("MANY").map_or(12, |v| v.parse().unwrap());
    let started = std::time::Instant::now();
    let films: Vec<_> = (0..many as u64)
        .map(|s| chest::draw(first + s, &ChestOptions::default()))
        .collect();
    println!(
        "{} ms a film",
        started.elapsed().as_millis() as usize / many
    );
    let columns = 4.min(many);
    let n = 256;
    let mut sheet =
        image::GrayImage::new((columns * n) as u32, (many.div_ceil(columns) * n) as u32);
    for (k, f) in films.iter().enumerate() {
        println!(
            "{} {} {} {} {:?} {:?}",
            f.seed,
            f.view,
            f.sex,
            f.age_years,
            f.labels
                .iter()
                .filter(|l| *l.1)
                .map(|l| l.0.as_str())
                .collect::<Vec<_>>(),
            f.numbers
        );
        for y in 0..n {
            for x in 0..n {
                sheet.put_pixel(
                    (k % columns * n + x) as u32,
                    (k / columns * n + y) as u32,
                    image::Luma([(f.image[(x, y)] / 16) as u8]),
                );
            }
        }
    }
    sheet.save(out).unwrap();
}
