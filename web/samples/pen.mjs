/** What scenes are drawn with: pieces of SVG as text. A scene is 480 by 360. */

export const WIDTH = 480
export const HEIGHT = 360

/** Numbers of 0..1 that look random and are the same every time (a linear congruential generator). */
export function sequence(seed) {
  let state = seed * 7919
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

/** `count` pieces, each drawn by its number. */
export function each(count, draw) {
  return Array.from({ length: count }, (_, number) => draw(number)).join('')
}

/** A point at `angle` degrees, clockwise from straight up. */
export function around(x, y, radius, angle) {
  const radians = ((angle - 90) * Math.PI) / 180
  return { x: x + radius * Math.cos(radians), y: y + radius * Math.sin(radians) }
}

/** A gradient from top to bottom; `stops` as `[share, colour]`. */
export function down(id, stops) {
  return `<linearGradient id="${id}" x1="0" y1="0" x2="0" y2="1">${stopsOf(stops)}</linearGradient>`
}

/** A gradient from left to right. */
export function across(id, stops) {
  return `<linearGradient id="${id}" x1="0" y1="0" x2="1" y2="0">${stopsOf(stops)}</linearGradient>`
}

/** A gradient from a point outwards, such as light upon a ball; `x`, `y`, `radius` as shares of what is filled. */
export function outwards(id, x, y, radius, stops) {
  return `<radialGradient id="${id}" cx="${x}" cy="${y}" r="${radius}">${stopsOf(stops)}</radialGradient>`
}

/** Out of focus. */
export function blur(id, amount) {
  return `<filter id="${id}" x="-50%" y="-50%" width="200%" height="200%"><feGaussianBlur stdDeviation="${amount}"/></filter>`
}

/** The grain of a surface: noise of one colour, `from` coarse 0.01 `to` fine 1. */
export function grain(id, frequency, colour, strength, seed = 1) {
  const [red, green, blue] = colour
  return `<filter id="${id}" x="0" y="0" width="100%" height="100%">
    <feTurbulence type="fractalNoise" baseFrequency="${frequency}" numOctaves="3" seed="${seed}"/>
    <feColorMatrix values="0 0 0 0 ${red}  0 0 0 0 ${green}  0 0 0 0 ${blue}  ${strength} 0 0 0 ${-strength * 0.42}"/>
    <feComposite in2="SourceGraphic" operator="in"/>
  </filter>`
}

/** The whole picture in one fill. */
export function ground(fill, more = '') {
  return `<rect width="${WIDTH}" height="${HEIGHT}" fill="${fill}" ${more}/>`
}

function stopsOf(stops) {
  return stops.map(([share, colour]) => `<stop offset="${share}" stop-color="${colour}"/>`).join('')
}
