// The canvas: stored values through the window, before and after, the layers and their contours.
// Display only; the rasters of the document are the truth. Framebuffer values are gamma coded, grey is written as is.

struct Look {
    turn: vec4<f32>,    // image offset from framebuffer offset: a b / d e
    place: vec4<f32>,   // middle of the canvas (framebuffer px), image point there
    size: vec4<f32>,    // columns, rows, zoom, pixels per point
    before: vec4<f32>,  // pivot, gain, kind (0 linear, 1 sigmoid, 2 step, 3 constant, 4 VOI LUT), inverted
    after: vec4<f32>,
    reach: vec4<f32>,   // reduction, steps a pixel, ring px
    other: vec4<f32>,   // split (framebuffer px), color map, draft layer (0 none, 1 mask, 2 sketch), draft erases
    tiles: vec4<u32>,   // log2 of the tile side, tiles across, last level, flags
    finest: vec4<u32>,  // finest level at hand before and after; whether each is float
    curve: vec4<u32>,   // entries of the VOI LUT
};

const AFTER: u32 = 1u;
const MASK: u32 = 2u;
const HINT: u32 = 4u;
const REGENERATE_INSIDE: u32 = 8u;
const REACH: u32 = 16u;
const COLOR: u32 = 32u;

const SKETCH_INK = vec3<f32>(0.337, 0.706, 0.914);
const REGENERATE_TINT = vec3<f32>(0.902, 0.624, 0.0);
const KEPT_TINT = vec3<f32>(0.0, 0.620, 0.451);

@group(0) @binding(0) var<uniform> look: Look;
@group(0) @binding(1) var before_integer: texture_2d_array<u32>;
@group(0) @binding(2) var before_float: texture_2d_array<f32>;
@group(0) @binding(3) var after_integer: texture_2d_array<u32>;
@group(0) @binding(4) var after_float: texture_2d_array<f32>;
@group(0) @binding(5) var mask_layer: texture_2d_array<f32>;
@group(0) @binding(6) var hint_layer: texture_2d_array<f32>;
@group(0) @binding(7) var draft_layer: texture_2d_array<f32>;
@group(0) @binding(8) var reach_field: texture_2d_array<f32>;
@group(0) @binding(9) var curve_table: texture_2d_array<f32>;
@group(0) @binding(10) var before_color: texture_2d_array<f32>;

@vertex
fn vs(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    let x = f32(i32(index & 1u) * 4 - 1);
    let y = f32(i32(index >> 1u) * 4 - 1);
    return vec4<f32>(x, y, 0.0, 1.0);
}

// Column and row within the tile, and the tile, of pixel `at` of a level (clamped to the image).
fn texel(at: vec2<i32>, level: u32) -> vec3<i32> {
    let whole = vec2<u32>(look.size.xy);
    let round_up = (1u << level) - 1u;
    let size = vec2<i32>((whole + vec2<u32>(round_up)) >> vec2<u32>(level));
    let c = vec2<u32>(clamp(at, vec2<i32>(0), size - vec2<i32>(1)));
    let shift = look.tiles.x - level;
    let tile = c >> vec2<u32>(shift);
    let local = c & vec2<u32>((1u << shift) - 1u);
    return vec3<i32>(vec2<i32>(local), i32(tile.y * look.tiles.y + tile.x));
}

fn stored(which: u32, at: vec2<i32>, level: u32) -> f32 {
    let t = texel(at, level);
    if which == 0u {
        if look.finest.z == 1u { return textureLoad(before_float, t.xy, t.z, i32(level)).x; }
        return f32(textureLoad(before_integer, t.xy, t.z, i32(level)).x);
    }
    if look.finest.w == 1u { return textureLoad(after_float, t.xy, t.z, i32(level)).x; }
    return f32(textureLoad(after_integer, t.xy, t.z, i32(level)).x);
}

fn bilinear(which: u32, at: vec2<f32>, level: u32) -> f32 {
    let p = (at + 0.5) / f32(1u << level) - 0.5;
    let low = floor(p);
    let f = p - low;
    let c = vec2<i32>(low);
    let top = mix(stored(which, c, level), stored(which, c + vec2<i32>(1, 0), level), f.x);
    let bottom = mix(stored(which, c + vec2<i32>(0, 1), level), stored(which, c + vec2<i32>(1, 1), level), f.x);
    return mix(top, bottom, f.y);
}

// Nearest when magnified, trilinear when reduced; never finer than what has been uploaded.
fn value_at(which: u32, at: vec2<f32>) -> f32 {
    let finest = select(look.finest.x, look.finest.y, which == 1u);
    let lod = max(log2(1.0 / look.size.z), 0.0);
    if lod == 0.0 && finest == 0u { return stored(which, vec2<i32>(floor(at + 0.5)), 0u); }
    let fine = clamp(u32(floor(lod)), finest, max(look.tiles.z, finest));
    let coarse = min(fine + 1u, max(look.tiles.z, fine));
    let blend = clamp(lod - f32(fine), 0.0, 1.0);
    let a = bilinear(which, at, fine);
    if blend == 0.0 { return a; }
    return mix(a, bilinear(which, at, coarse), blend);
}

fn color_texel(at: vec2<i32>, level: u32) -> vec3<f32> {
    let t = texel(at, level);
    return textureLoad(before_color, t.xy, t.z, i32(level)).xyz;
}

fn color_bilinear(at: vec2<f32>, level: u32) -> vec3<f32> {
    let p = (at + 0.5) / f32(1u << level) - 0.5;
    let low = floor(p);
    let f = p - low;
    let c = vec2<i32>(low);
    let top = mix(color_texel(c, level), color_texel(c + vec2<i32>(1, 0), level), f.x);
    let bottom = mix(color_texel(c + vec2<i32>(0, 1), level), color_texel(c + vec2<i32>(1, 1), level), f.x);
    return mix(top, bottom, f.y);
}

// The color of the image, magnified and reduced as its grey is; no window applies to it.
fn color_at(at: vec2<f32>) -> vec3<f32> {
    let finest = look.finest.x;
    let lod = max(log2(1.0 / look.size.z), 0.0);
    if lod == 0.0 && finest == 0u { return color_texel(vec2<i32>(floor(at + 0.5)), 0u); }
    let fine = clamp(u32(floor(lod)), finest, max(look.tiles.z, finest));
    let coarse = min(fine + 1u, max(look.tiles.z, fine));
    return mix(color_bilinear(at, fine), color_bilinear(at, coarse), clamp(lod - f32(fine), 0.0, 1.0));
}

// Entry of the VOI LUT; 256 a row.
fn curve_entry(index: u32) -> f32 {
    let i = min(index, max(look.curve.x, 1u) - 1u);
    return textureLoad(curve_table, vec2<i32>(vec2<u32>(i & 255u, i >> 8u)), 0, 0).x;
}

fn curve(place: f32) -> f32 {
    // An entry is hit exactly by a whole value: what rounding leaves beside it is not blended in.
    let at = place * f32(max(look.curve.x, 1u) - 1u);
    let near = floor(at + 0.5);
    if abs(at - near) < 0.01 { return curve_entry(u32(near)); }
    let low = floor(at);
    return mix(curve_entry(u32(low)), curve_entry(u32(low) + 1u), at - low);
}

fn tone(value: f32, window: vec4<f32>) -> f32 {
    let t = (value - window.x) * window.y;
    var grey = clamp(t + 0.5, 0.0, 1.0);
    if window.z == 1.0 { grey = 1.0 / (1.0 + exp(-4.0 * t)); }
    if window.z == 2.0 { grey = select(0.0, 1.0, t > 0.0); }
    if window.z == 3.0 { grey = window.x; }
    if window.z == 4.0 { grey = curve(grey); }
    return select(grey, 1.0 - grey, window.w == 1.0);
}

fn colored(grey: f32) -> vec3<f32> {
    if look.other.y == 1.0 {
        return clamp(vec3<f32>(grey * 3.0, grey * 3.0 - 1.0, grey * 3.0 - 2.0), vec3<f32>(0.0), vec3<f32>(1.0));
    }
    if look.other.y == 2.0 {
        // Five stops of viridis (CC0), blended linearly.
        var stops = array<vec3<f32>, 5>(
            vec3<f32>(0.267, 0.005, 0.329), vec3<f32>(0.229, 0.322, 0.546), vec3<f32>(0.127, 0.567, 0.551),
            vec3<f32>(0.369, 0.789, 0.383), vec3<f32>(0.993, 0.906, 0.144));
        let x = grey * 4.0;
        let i = min(u32(x), 3u);
        return mix(stops[i], stops[i + 1u], x - f32(i));
    }
    return vec3<f32>(grey);
}

fn cover_texel(which: u32, at: vec2<i32>, level: u32) -> f32 {
    let t = texel(at, level);
    if which == 0u { return textureLoad(mask_layer, t.xy, t.z, i32(level)).x; }
    if which == 1u { return textureLoad(hint_layer, t.xy, t.z, i32(level)).x; }
    return textureLoad(draft_layer, t.xy, t.z, i32(level)).x;
}

// Coverage of a layer (0 mask, 1 sketch, 2 draft). Level 1 is never written: a brush uploads little more than its rectangle.
fn cover_of(which: u32, at: vec2<f32>) -> f32 {
    let per = 1.0 / look.size.z;
    if per <= 1.0 { return cover_texel(which, vec2<i32>(floor(at + 0.5)), 0u); }
    var level = 0u;
    if per >= 4.0 { level = clamp(u32(floor(log2(per))), 2u, max(look.tiles.z, 2u)); }
    if level > look.tiles.z { level = 0u; }
    let scale = f32(1u << level);
    let spread = 0.25 * per;
    var sum = 0.0;
    for (var i = 0u; i < 4u; i++) {
        let o = vec2<f32>(f32(i & 1u) * 2.0 - 1.0, f32(i >> 1u) * 2.0 - 1.0) * spread;
        sum += cover_texel(which, vec2<i32>(floor((at + o + 0.5) / scale)), level);
    }
    return sum * 0.25;
}

fn with_draft(cover: f32, layer: f32, at: vec2<f32>) -> f32 {
    if look.other.z != layer { return cover; }
    let draft = cover_of(2u, at);
    return select(max(cover, draft), min(cover, 1.0 - draft), look.other.w == 1.0);
}

fn mask_at(at: vec2<f32>) -> f32 {
    var cover = 0.0;
    if (look.tiles.w & MASK) != 0u { cover = cover_of(0u, at); }
    return with_draft(cover, 1.0, at);
}

fn hint_at(at: vec2<f32>) -> f32 {
    var cover = 0.0;
    if (look.tiles.w & HINT) != 0u { cover = cover_of(1u, at); }
    return with_draft(cover, 2.0, at);
}

// Distance to the painted part, image pixels.
fn reach_at(at: vec2<f32>) -> f32 {
    let size = vec2<i32>(textureDimensions(reach_field, 0));
    let p = (at + 0.5) / look.reach.x - 0.5;
    let low = floor(p);
    let f = p - low;
    var v: array<f32, 4>;
    for (var i = 0u; i < 4u; i++) {
        let c = vec2<i32>(low) + vec2<i32>(i32(i & 1u), i32(i >> 1u));
        v[i] = textureLoad(reach_field, clamp(c, vec2<i32>(0), size - vec2<i32>(1)), 0, 0).x;
    }
    return mix(mix(v[0], v[1], f.x), mix(v[2], v[3], f.x), f.y) * 255.0 / look.reach.y;
}

fn offset(px: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(dot(look.turn.xy, px), dot(look.turn.zw, px));
}

fn with_mask(color: vec3<f32>, at: vec2<f32>, px: vec2<f32>) -> vec3<f32> {
    var out = color;
    let ppp = look.size.w;
    let mask = mask_at(at);
    let inside = (look.tiles.w & REGENERATE_INSIDE) != 0u;
    let renewed = select(1.0 - mask, mask, inside);
    let stripe = fract((px.x + px.y) / (9.0 * ppp)) < 0.16;
    out = mix(out, REGENERATE_TINT, renewed * select(0.14, 0.5, stripe));
    if !inside {
        let dot_here = length(fract(px / (8.0 * ppp)) - 0.5) < 0.14;
        out = mix(out, KEPT_TINT, mask * select(0.14, 0.6, dot_here));
    }
    let o = 0.7 * ppp;
    let l = mask_at(at + offset(vec2<f32>(-o, 0.0)));
    let r = mask_at(at + offset(vec2<f32>(o, 0.0)));
    let u = mask_at(at + offset(vec2<f32>(0.0, -o)));
    let d = mask_at(at + offset(vec2<f32>(0.0, o)));
    let least = min(min(l, r), min(u, d));
    let most = max(max(l, r), max(u, d));
    if least < 0.5 && most >= 0.5 { out = mix(out, REGENERATE_TINT, 0.95); }
    if (look.tiles.w & REACH) != 0u {
        let away = reach_at(at);
        let dots = fract((px.x - px.y) / (5.0 * ppp)) < 0.5;
        if look.reach.z > 0.0 && dots && abs(away - look.reach.z - 0.5) * look.size.z < 0.6 * ppp {
            out = mix(out, KEPT_TINT, 0.95);
        }
    }
    return out;
}

@fragment
fn fs(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let at = offset(position.xy - look.place.xy) + look.place.zw;
    if any(at < vec2<f32>(-0.5)) || any(at >= look.size.xy - 0.5) { discard; }
    let right = (look.tiles.w & AFTER) != 0u && position.x >= look.other.x;
    var color: vec3<f32>;
    if right {
        color = colored(tone(value_at(1u, at), look.after));
    } else if (look.tiles.w & COLOR) != 0u && look.other.y == 0.0 {
        // A color map is of the grey: whoever chooses one sees that.
        color = color_at(at);
        if look.before.w == 1.0 { color = 1.0 - color; }
    } else {
        color = colored(tone(value_at(0u, at), look.before));
    }
    if (look.tiles.w & MASK) != 0u || look.other.z == 1.0 { color = with_mask(color, at, position.xy); }
    if (look.tiles.w & HINT) != 0u || look.other.z == 2.0 {
        color = mix(color, SKETCH_INK, hint_at(at) * 0.9);
    }
    return vec4<f32>(color, 1.0);
}
