/** Functions that generated code calls, by name: each is defined, with those it calls itself, where a module's text names it. */

/** Names start with c_. */
const functions: Readonly<Record<string, string>> = {
  c_max_f32: 'fn c_max_f32(x: f32, y: f32) -> f32 { return max(x, y); }',
  c_min_f32: 'fn c_min_f32(x: f32, y: f32) -> f32 { return min(x, y); }',
  c_exp: 'fn c_exp(x: f32) -> f32 { return exp(x); }',
  c_log: 'fn c_log(x: f32) -> f32 { return log(x); }',
  c_threefry: `fn c_threefry(k: vec2<u32>, c: vec2<u32>) -> vec2<u32> {
  let ks = array<u32, 3>(k.x, k.y, k.x ^ k.y ^ 0x1bd11bdau);
  var x = c + k;
  for (var i = 0u; i < 5u; i++) {
    let r = select(vec4<u32>(17u, 29u, 16u, 24u), vec4<u32>(13u, 15u, 26u, 6u), i % 2u == 0u);
    for (var j = 0u; j < 4u; j++) { x.x += x.y; x.y = ((x.y << r[j]) | (x.y >> (32u - r[j]))) ^ x.x; }
    x += vec2<u32>(ks[(i + 1u) % 3u], ks[(i + 2u) % 3u] + i + 1u);
  }
  return x;
}`,
}

/** The definitions that `code` needs, callees first. */
export const library = (code: string): readonly string[] => {
  const found = new Map<string, string>()
  const need = (text: string): void => {
    for (const [name] of text.matchAll(/\bc_\w+/g)) {
      const definition = functions[name]
      if (definition === undefined) throw new Error(`internal: no library function ${name}`)
      if (found.has(name)) continue
      found.set(name, '') // a definition names itself
      need(definition)
      found.delete(name)
      found.set(name, definition)
    }
  }
  need(code)
  return [...found.values()]
}
