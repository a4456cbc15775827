// What both benchmarks do with answers and times.

/** The size of the worst disagreement, as a share of what is allowed. */
export const worst = (a, b, { relative, absolute }) => {
  if (a.length !== b.length) throw new Error(`${a.length} numbers against ${b.length}`)
  let share = 0
  for (let i = 0; i < a.length; i++) {
    const allowed = absolute + relative * Math.abs(b[i])
    const off = a[i] === b[i] ? 0 : Math.abs(a[i] - b[i]) / allowed
    share = Number.isNaN(off) ? Infinity : Math.max(share, off)
  }
  return share
}

export const quantile = (xs, q) => [...xs].sort((a, b) => a - b)[Math.floor(q * (xs.length - 1))]
