/** The sample pictures: each a thing that the models know, drawn as if it had been photographed. */

import { across, around, blur, down, each, grain, ground, HEIGHT, outwards, sequence, WIDTH } from './pen.mjs'

/** By the name of the file that is made of it. */
export const scenes = {
  airliner,
  balloon,
  daisy,
  lighthouse,
  sailboat,
  'school-bus': schoolBus,
  strawberry,
  'traffic-light': trafficLight,
  umbrella,
}

function strawberry() {
  const chance = sequence(3)
  // Seeds in rows around the fruit: closer and flatter towards its edge, as on a real one.
  const seeds = []
  for (let row = 0; row < 9; row += 1) {
    const y = 128 + row * 21
    const half = rim(y) - 7
    const count = Math.max(2, Math.round(half / 12.5))
    for (let column = 0; column < count; column += 1) {
      const angle = ((column + 0.5 + (row % 2) * 0.5 - 0.25) / count - 0.5) * Math.PI
      const x = 240 + half * Math.sin(angle)
      const width = 2.6 * Math.cos(angle) + 0.6
      seeds.push({ x: x + chance() - 0.5, y: y + 6 * (1 - Math.cos(angle)) + chance() * 2, width })
    }
  }
  function rim(y) {
    const share = (y - 108) / 212
    return 112 * Math.sqrt(Math.max(0, Math.sin(Math.PI * Math.min(1, 0.18 + share * 0.82)))) * (1 - share * 0.22)
  }
  return {
    defs:
      down('cloth', [[0, '#e9e4da'], [0.55, '#f6f2ea'], [1, '#d5cdbf']]) +
      outwards('flesh', 0.36, 0.28, 0.85, [[0, '#ff6a55'], [0.35, '#ea2f2b'], [0.75, '#bd1220'], [1, '#7d0715']]) +
      down('leaf', [[0, '#7fb84a'], [1, '#33701f']]) + blur('soft', 9) + blur('gleam', 5) + blur('fine', 0.8) +
      grain('weave', '0.35 0.7', [0.4, 0.35, 0.28], 0.35),
    body:
      ground('url(#cloth)') + ground('#000', 'filter="url(#weave)"') +
      `<ellipse cx="262" cy="322" rx="128" ry="20" fill="#4a2a20" opacity="0.5" filter="url(#soft)"/>
      <path d="M240 324C196 318 142 256 130 196C120 144 152 104 204 102C222 101 232 107 240 110C248 107 258 101 276 102C328 104 360 144 350 196C338 256 284 318 240 324z" fill="url(#flesh)"/>
      <path d="M152 164C156 132 178 118 202 118C186 136 174 160 174 196C162 190 150 182 152 164z" fill="#fff" opacity="0.42" filter="url(#gleam)"/>` +
      seeds.map(({ x, y, width }) =>
        `<ellipse cx="${x}" cy="${y + 0.6}" rx="${width + 1.6}" ry="5.4" fill="#8e0b18" opacity="0.55"/>
         <ellipse cx="${x}" cy="${y + 0.8}" rx="${width}" ry="3.9" fill="#f2c14d"/>
         <ellipse cx="${x - 0.6}" cy="${y - 0.6}" rx="${width * 0.4}" ry="1.6" fill="#fff3c4"/>`).join('') +
      `<g>${each(9, (leaf) => {
        const angle = -104 + leaf * 26
        const tip = around(240, 106, 74 + (leaf % 2) * 12, angle)
        const [left, right] = [around(240, 106, 34, angle - 24), around(240, 106, 34, angle + 24)]
        return `<path d="M240 108Q${left.x} ${left.y} ${tip.x} ${tip.y + 20}Q${right.x} ${right.y} 240 108z" fill="url(#leaf)" stroke="#2b5f1c" stroke-width="1"/>`
      })}${each(5, (leaf) => {
        const tip = around(240, 110, 60, 110 + leaf * 35)
        return `<path d="M240 100Q${tip.x - 14} ${tip.y - 26} ${tip.x} ${tip.y}Q${tip.x + 16} ${tip.y - 20} 240 100z" fill="#4f9230" stroke="#2b5f1c" stroke-width="1"/>`
      })}</g>
      <path d="M236 104C238 82 246 66 262 54L270 60C256 72 250 86 248 104z" fill="#6ba53e" stroke="#33701f"/>`,
  }
}

function trafficLight() {
  const lens = (y, lit, dark, isLit) =>
    `<g>
      <path d="M196 ${y - 18}A44 44 0 0 1 284 ${y - 18}L290 ${y + 6}A52 50 0 0 0 190 ${y + 6}z" fill="#0b0d0c"/>
      <circle cx="240" cy="${y}" r="39" fill="#070808"/>
      <circle cx="240" cy="${y}" r="35" fill="${isLit ? lit : dark}"/>
      ${isLit
        ? `<circle cx="240" cy="${y}" r="35" fill="url(#bulb)"/>`
        : `<circle cx="240" cy="${y}" r="35" fill="url(#glass)"/>`}
      <path d="M194 ${y - 12}A46 46 0 0 1 286 ${y - 12}A52 40 0 0 0 194 ${y - 12}z" fill="#1a1e1c"/>
    </g>`
  const chance = sequence(8)
  return {
    defs:
      down('sky', [[0, '#7fa8cc'], [0.6, '#bcd3e2'], [1, '#dfe6e4']]) +
      across('box', [[0, '#2f3532'], [0.2, '#1b201e'], [0.8, '#121614'], [1, '#060807']]) +
      across('pole', [[0, '#8d9390'], [0.4, '#5c625f'], [1, '#2e3331']]) +
      outwards('bulb', 0.5, 0.45, 0.6, [[0, '#ffd9c0'], [0.35, '#ff6a4a'], [1, '#e0160c']]) +
      outwards('glass', 0.4, 0.3, 0.8, [[0, 'rgba(255,255,255,0.32)'], [0.5, 'rgba(255,255,255,0.02)'], [1, 'rgba(0,0,0,0.5)']]) +
      blur('far', 5) + blur('glow', 22),
    body:
      ground('url(#sky)') +
      `<g filter="url(#far)">${each(9, (house) => {
        const height = 60 + 110 * chance()
        return `<rect x="${house * 58 - 30}" y="${HEIGHT - height}" width="${44 + 24 * chance()}" height="${height}" fill="hsl(${205 + 20 * chance()} 12% ${48 + 18 * chance()}%)"/>`
      })}${each(14, () => `<circle cx="${WIDTH * chance()}" cy="${330 - 46 * chance()}" r="${18 + 22 * chance()}" fill="hsl(${90 + 30 * chance()} 26% ${28 + 14 * chance()}%)"/>`)}</g>
      <rect x="230" y="330" width="20" height="40" fill="url(#pole)"/>
      <rect x="178" y="14" width="124" height="326" rx="20" fill="#0a0c0b" opacity="0.35" filter="url(#far)" transform="translate(6 6)"/>
      <rect x="180" y="14" width="120" height="324" rx="18" fill="url(#box)"/>
      <rect x="184" y="18" width="112" height="316" rx="15" fill="none" stroke="#4a524e" stroke-width="1.5"/>` +
      lens(72, '#ff3b26', '#3a0a08', true) + lens(178, '#f6b52c', '#5a4210', false) + lens(284, '#39c26b', '#0e4a30', false) +
      `<circle cx="240" cy="72" r="62" fill="#ff4a2c" opacity="0.4" filter="url(#glow)"/>`,
  }
}

function balloon() {
  const gores = ['#d8352c', '#f2a128', '#f7dc4a', '#3f9b57', '#2b6cb8', '#6a3d98', '#2b6cb8', '#3f9b57', '#f7dc4a', '#f2a128', '#d8352c']
  const chance = sequence(5)
  const edge = (share) => {
    // A gore's seam: an ellipse's meridian down to the skirt.
    const x = (share - 0.5) * 2
    return `M262 26C${262 + x * 150} 26 ${262 + x * 152} 150 ${262 + x * 92} 196C${262 + x * 60} 224 ${262 + x * 30} 244 ${262 + x * 22} 262`
  }
  const gore = (index) => {
    const [from, to] = [index / gores.length, (index + 1) / gores.length].map((share) => (Math.sin((share - 0.5) * Math.PI) + 1) / 2)
    const [a, b] = [(from - 0.5) * 2, (to - 0.5) * 2]
    return `<path d="${edge(from)}L${262 + b * 22} 262C${262 + b * 30} 244 ${262 + b * 60} 224 ${262 + b * 92} 196C${262 + b * 152} 150 ${262 + b * 150} 26 262 26z" fill="${gores[index]}" stroke="${gores[index]}" stroke-width="0.6"/><path d="M${262 + a * 22} 262" />`
  }
  return {
    defs:
      down('sky', [[0, '#4c8fd0'], [0.55, '#a5cdea'], [1, '#f1e6cf']]) +
      outwards('shade', 0.34, 0.3, 0.85, [[0, 'rgba(255,255,255,0.42)'], [0.4, 'rgba(255,255,255,0)'], [1, 'rgba(20,10,40,0.5)']]) +
      down('basket', [[0, '#a8743c'], [1, '#5f3b18']]) + blur('cloud', 12) + blur('far', 2) +
      down('hills', [[0, '#7da279'], [1, '#4a7348']]) + down('near', [[0, '#4f7d3e'], [1, '#2f5527']]),
    body:
      ground('url(#sky)') +
      `<g filter="url(#cloud)" fill="#fff" opacity="0.75">${each(8, () => `<ellipse cx="${WIDTH * chance()}" cy="${60 + 170 * chance()}" rx="${50 + 40 * chance()}" ry="${8 + 9 * chance()}"/>`)}</g>
      <path d="M0 318Q70 280 150 304T320 296T480 312V360H0z" fill="url(#hills)" filter="url(#far)"/>
      <path d="M0 342Q110 316 230 336T480 330V360H0z" fill="url(#near)"/>
      <g transform="translate(0 -6)">` +
      each(gores.length, gore) +
      `<path d="M262 26C112 26 110 150 170 196C202 224 232 244 240 262H284C292 244 322 224 354 196C414 150 412 26 262 26z" fill="url(#shade)"/>
      <path d="M241 262h42l-5 14h-32z" fill="#8a2520"/>
      <g stroke="#4b3a28" stroke-width="1.2"><path d="M246 276L250 298M278 276L274 298M256 276L258 298M268 276L266 298"/></g>
      <rect x="247" y="298" width="30" height="24" rx="4" fill="url(#basket)"/>
      <path d="M247 304h30M247 310h30M247 316h30M254 298v24M262 298v24M270 298v24" stroke="#4a2c10" stroke-width="0.8" opacity="0.8"/>
      <rect x="245" y="296" width="34" height="5" rx="2.5" fill="#c08b4c"/></g>`,
  }
}

function airliner() {
  const chance = sequence(12)
  return {
    defs:
      down('sky', [[0, '#2f74bd'], [0.6, '#7fb4e0'], [1, '#c9e0ee']]) +
      down('hull', [[0, '#ffffff'], [0.45, '#f3f6f8'], [0.62, '#c3ccd4'], [1, '#7d8994']]) +
      down('wing', [[0, '#cfd6dc'], [1, '#8b96a1']]) + across('engine', [[0, '#e8edf0'], [0.3, '#b7c1c9'], [1, '#6b7681']]) +
      blur('cloud', 14) + blur('fine', 1.2),
    body:
      ground('url(#sky)') +
      `<g filter="url(#cloud)" fill="#fff" opacity="0.85">${each(10, () => `<ellipse cx="${WIDTH * chance()}" cy="${262 + 90 * chance()}" rx="${60 + 50 * chance()}" ry="${12 + 14 * chance()}"/>`)}</g>
      <g transform="rotate(-7 240 180)">
        <path d="M356 152L402 84H432L416 156z" fill="#1f4f9a"/><path d="M372 128L398 90H424L420 110z" fill="#e0492f"/>
        <path d="M360 168L420 148H446L398 176z" fill="#9aa5b0"/>
        <path d="M214 168L286 112H306L268 172z" fill="#aab4bd"/>
        <path d="M30 186C34 168 62 152 104 149H360C394 149 424 158 440 170C428 184 392 198 340 202L96 206C58 206 32 200 30 186z" fill="url(#hull)"/>
        <path d="M31 184C40 180 70 184 110 185L436 172C430 182 392 198 340 202L96 206C58 206 32 200 30 186z" fill="#1f4f9a" opacity="0.14"/>
        <path d="M46 172C54 163 68 158 80 157L76 168C66 169 54 171 46 172z" fill="#22303c"/>` +
      each(30, (window) => `<rect x="${106 + window * 9}" y="166" width="4.4" height="6.2" rx="2" fill="#2b3b4a"/>`) +
      `<g fill="none" stroke="#aab4bd"><path d="M94 157v32h9v-32zM232 157v30h8v-30zM376 156v26h8v-26z"/></g>
        <path d="M196 190L306 262H332L278 184z" fill="url(#wing)"/><path d="M196 190L306 262L312 262L214 188z" fill="#f1f4f6"/>
        <path d="M206 204C206 196 216 194 226 194H258C266 196 268 204 266 212C262 220 216 222 210 218C206 214 206 210 206 204z" fill="url(#engine)"/>
        <ellipse cx="210" cy="206" rx="7" ry="12" fill="#1a232b"/><ellipse cx="210" cy="206" rx="3" ry="5" fill="#5a6772"/>
        <path d="M366 172L424 190H446L404 168z" fill="#8b96a1"/>
      </g>`,
  }
}

function lighthouse() {
  const chance = sequence(21)
  const stripe = (from, to, colour) => {
    const half = (y) => 20 + ((y - 96) / 190) * 14
    return `<path d="M${250 - half(from)} ${from}H${250 + half(from)}L${250 + half(to)} ${to}H${250 - half(to)}z" fill="${colour}"/>`
  }
  return {
    defs:
      down('sky', [[0, '#3f86c8'], [0.7, '#b5d6ea'], [1, '#e8efe9']]) + down('sea', [[0, '#3a7ea6'], [1, '#143f5c']]) +
      across('round', [[0, 'rgba(255,255,255,0.35)'], [0.35, 'rgba(255,255,255,0)'], [1, 'rgba(10,20,40,0.5)']]) +
      down('rock', [[0, '#8b8378'], [0.5, '#5f584f'], [1, '#332f2b']]) + blur('cloud', 11) + blur('fine', 1) +
      grain('stone', 0.09, [0.08, 0.07, 0.06], 1.6, 4) + grain('waves', '0.012 0.12', [0.9, 0.97, 1], 1, 2),
    body:
      ground('url(#sky)') +
      `<g filter="url(#cloud)" fill="#fff" opacity="0.85">${each(9, () => `<ellipse cx="${WIDTH * chance()}" cy="${50 + 130 * chance()}" rx="${46 + 40 * chance()}" ry="${8 + 10 * chance()}"/>`)}</g>
      <rect y="246" width="480" height="114" fill="url(#sea)"/><rect y="246" width="480" height="114" fill="#fff" filter="url(#waves)" opacity="0.6"/>
      <path id="isle" d="M70 360C84 330 120 322 140 300C160 282 190 288 212 276H300C330 284 350 290 366 306C392 322 420 336 434 360z" fill="url(#rock)"/>
      <path d="M70 360C84 330 120 322 140 300C160 282 190 288 212 276H300C330 284 350 290 366 306C392 322 420 336 434 360z" fill="#000" filter="url(#stone)"/>
      <path d="M196 282C220 268 290 268 316 286C290 292 220 292 196 282z" fill="#6f8f4a"/>
      <rect x="290" y="252" width="60" height="32" fill="#f2efe8"/><path d="M284 254L320 232L356 254z" fill="#b3402f"/><rect x="302" y="262" width="10" height="12" fill="#3a4a58"/><rect x="326" y="262" width="10" height="22" fill="#5a3a28"/>` +
      stripe(96, 286, '#f7f5f0') + stripe(96, 124, '#c9302a') + stripe(156, 188, '#c9302a') + stripe(222, 256, '#c9302a') + stripe(96, 286, 'url(#round)') +
      `<rect x="246" y="134" width="8" height="12" rx="3" fill="#2b3640"/><rect x="246" y="200" width="8" height="12" rx="3" fill="#2b3640"/><path d="M241 286v-20a9 9 0 0 1 18 0v20z" fill="#3d2a1e"/>
      <rect x="224" y="90" width="52" height="7" rx="1.5" fill="#22282c"/><path d="M226 90V78M236 90V78M246 90V78M254 90V78M264 90V78M274 90V78M224 79H276" stroke="#22282c" stroke-width="2"/>
      <rect x="236" y="56" width="28" height="34" fill="#cfe6ee"/><rect x="242" y="60" width="16" height="28" fill="#fff2b4"/><path d="M236 56v34M245 56v34M255 56v34M264 56v34" stroke="#22282c" stroke-width="2"/>
      <path d="M232 57C234 40 242 34 250 32C258 34 266 40 268 57z" fill="#a3231f"/><circle cx="250" cy="30" r="4" fill="#22282c"/><path d="M250 30V16" stroke="#22282c" stroke-width="1.5"/>
      <g filter="url(#fine)" fill="#fff" opacity="0.85"><path d="M60 352C90 336 116 348 136 338C120 352 88 360 60 360zM372 340C400 334 424 350 452 346C436 360 396 358 372 340z"/></g>`,
  }
}

function schoolBus() {
  const wheel = (x) =>
    `<circle cx="${x}" cy="276" r="36" fill="#1d1d1b"/><circle cx="${x}" cy="276" r="33" fill="#2b2b29"/><circle cx="${x}" cy="276" r="18" fill="#d2d4d2"/><circle cx="${x}" cy="276" r="12" fill="#8c8f8d"/><circle cx="${x}" cy="276" r="5" fill="#333"/>`
  const chance = sequence(9)
  return {
    defs:
      down('sky', [[0, '#8dbbe0'], [1, '#dfeaf0']]) + down('body', [[0, '#ffd24a'], [0.5, '#f6b516'], [1, '#d28f06']]) +
      down('road', [[0, '#6e6f71'], [1, '#454648']]) + down('pane', [[0, '#4d6475'], [0.5, '#22303c'], [1, '#111a22']]) +
      blur('soft', 6) + blur('far', 4) + grain('tar', 0.7, [0.1, 0.1, 0.1], 0.6),
    body:
      ground('url(#sky)') +
      `<g filter="url(#far)">${each(22, () => `<circle cx="${WIDTH * chance()}" cy="${196 + 40 * chance()}" r="${22 + 26 * chance()}" fill="hsl(${95 + 30 * chance()} 34% ${26 + 16 * chance()}%)"/>`)}</g>
      <rect y="262" width="480" height="98" fill="url(#road)"/><rect y="262" width="480" height="98" fill="#000" filter="url(#tar)"/>
      <rect y="252" width="480" height="14" fill="#a9a79f"/>
      <path d="M0 338h90l-8 7H0zM150 338h100l-8 7H142zM310 338h100l-8 7H302z" fill="#e9e4cf" opacity="0.85"/>
      <ellipse cx="246" cy="310" rx="214" ry="12" fill="#000" opacity="0.5" filter="url(#soft)"/>
      <path d="M36 92C36 80 44 72 58 72H344C356 72 364 80 366 92L372 160L436 172C448 174 454 182 454 194V272C454 280 450 284 442 284H48C40 284 36 280 36 272z" fill="url(#body)"/>
      <path d="M58 72H344C350 72 355 74 359 78H44C47 74 52 72 58 72z" fill="#fff" opacity="0.35"/>
      <path d="M36 176H372L436 184M36 204H450M36 232H454" stroke="#1b1b19" stroke-width="5" fill="none"/>` +
      each(6, (pane) => `<rect x="${54 + pane * 44}" y="98" width="37" height="56" rx="4" fill="url(#pane)" stroke="#1b1b19" stroke-width="2.5"/><path d="M${56 + pane * 44} 126h33" stroke="#1b1b19" stroke-width="2"/><path d="M${60 + pane * 44} 122l10-22h9l-11 22z" fill="#fff" opacity="0.25"/>`) +
      `<path d="M322 98H350L360 160H322z" fill="url(#pane)" stroke="#1b1b19" stroke-width="2.5"/><path d="M322 98V262H360V160" fill="none" stroke="#1b1b19" stroke-width="2.5"/>
      <path d="M378 166L432 176" stroke="#a56f04" stroke-width="2"/><rect x="438" y="196" width="14" height="20" rx="5" fill="#fff7d8" stroke="#8a6a1c"/><rect x="444" y="250" width="18" height="16" rx="4" fill="#1d1d1b"/><rect x="26" y="256" width="18" height="14" rx="4" fill="#1d1d1b"/>
      <circle cx="60" cy="84" r="5" fill="#d5291f"/><circle cx="340" cy="84" r="5" fill="#d5291f"/>
      <text x="196" y="196" text-anchor="middle" font-family="DejaVu Sans, Arial, sans-serif" font-weight="bold" font-size="19" letter-spacing="3" fill="#1b1b19">SCHOOL BUS</text>
      <path d="M62 284a44 44 0 0 1 88 0zM352 284a44 44 0 0 1 88 0z" fill="#141412"/>` + wheel(106) + wheel(396),
  }
}

function umbrella() {
  const chance = sequence(17)
  const colours = ['#b3141f', '#d21f2b', '#e23a3f', '#d21f2b', '#b3141f', '#8d0d17']
  const ribs = [66, 112, 176, 246, 316, 376, 414]
  return {
    defs:
      down('sky', [[0, '#8f9ba6'], [0.6, '#b9c3ca'], [1, '#a5adb2']]) + down('wet', [[0, '#6f7a82'], [1, '#454e55']]) +
      `<radialGradient id="dome" gradientUnits="userSpaceOnUse" cx="200" cy="66" r="220"><stop offset="0" stop-color="rgba(255,255,255,0.45)"/><stop offset="0.4" stop-color="rgba(255,255,255,0)"/><stop offset="1" stop-color="rgba(0,0,0,0.4)"/></radialGradient>` + blur('far', 7) + blur('soft', 6) + blur('fine', 0.7),
    body:
      ground('url(#sky)') + `<g filter="url(#far)">${each(10, (house) => `<rect x="${house * 52 - 10}" y="${150 + 60 * chance()}" width="46" height="140" fill="hsl(210 8% ${44 + 16 * chance()}%)"/>`)}</g>
      <rect y="286" width="480" height="74" fill="url(#wet)"/><ellipse cx="246" cy="340" rx="150" ry="12" fill="#8d0d17" opacity="0.35" filter="url(#soft)"/>
      <path d="M238 60H244V300C244 322 226 330 212 322C202 316 202 302 210 298" fill="none" stroke="#2a2320" stroke-width="7" stroke-linecap="round"/>` +
      each(6, (panel) => {
        const [from, to] = [ribs[panel], ribs[panel + 1]]
        const y = (x) => 178 + 12 * Math.sin(((x - 66) / 348) * Math.PI)
        const high = (x) => 100 - 60 * Math.sin(((x - 66) / 348) * Math.PI)
        const toTop = (x) => `${x + (240 - x) * 0.2} ${high(x)}`
        const outline = `M240 42Q${toTop(from)} ${from} ${y(from)}Q${(from + to) / 2} ${y((from + to) / 2) - 26} ${to} ${y(to)}Q${toTop(to)} 240 42z`
        return `<path d="${outline}" fill="${colours[panel]}"/><path d="${outline}" fill="url(#dome)" stroke="#5c0810" stroke-width="1.2"/>`
      }) +
      `<path d="M240 46V28" stroke="#2a2320" stroke-width="5" stroke-linecap="round"/>
      <g stroke="#e9f1f5" stroke-width="1.3" opacity="0.55" filter="url(#fine)">${each(70, () => {
        const [x, y] = [WIDTH * chance(), HEIGHT * chance()]
        return `<path d="M${x} ${y}l-5 ${16 + 12 * chance()}"/>`
      })}</g>`,
  }
}

function sailboat() {
  const chance = sequence(41)
  return {
    defs:
      down('sky', [[0, '#3d86cc'], [0.8, '#bcdcf0'], [1, '#e6f1f4']]) + down('sea', [[0, '#2f7fae'], [0.4, '#1c618f'], [1, '#0d3d63']]) +
      across('sail', [[0, '#ffffff'], [0.6, '#f2f1ea'], [1, '#cdd2d3']]) + down('hull', [[0, '#ffffff'], [0.55, '#e9edf0'], [1, '#9aa8b4']]) + blur('cloud', 12) + blur('soft', 4) +
      grain('waves', '0.014 0.14', [0.85, 0.95, 1], 1.1, 3),
    body:
      ground('url(#sky)') + `<g filter="url(#cloud)" fill="#fff" opacity="0.85">${each(9, () => `<ellipse cx="${WIDTH * chance()}" cy="${70 + 140 * chance()}" rx="${50 + 40 * chance()}" ry="${9 + 10 * chance()}"/>`)}</g>
      <path d="M0 236Q60 220 120 232T250 234H480V244H0z" fill="#6f8fa0" opacity="0.8"/><rect y="240" width="480" height="120" fill="url(#sea)"/><rect y="240" width="480" height="120" filter="url(#waves)" opacity="0.8"/>
      <path d="M150 300C190 312 310 312 352 296L330 340C280 352 210 350 176 340z" fill="#fff" opacity="0.25" filter="url(#soft)"/>
      <path d="M250 22V272" stroke="#6b5234" stroke-width="4"/><path d="M256 30C300 90 334 170 346 246C316 256 282 258 256 256z" fill="url(#sail)"/><path d="M258 80H284M257 130H312M257 180H330M257 225H342" stroke="#b9bfc0" stroke-width="1"/>
      <path d="M244 36C220 110 180 190 132 252C170 260 214 260 244 256z" fill="url(#sail)" opacity="0.97"/><path d="M244 36L126 256M250 22L366 270" stroke="#4b4b4b" stroke-width="1" fill="none"/>
      <path d="M252 262H352" stroke="#6b5234" stroke-width="4"/>
      <path d="M112 266C180 276 310 278 372 268C366 294 350 308 330 312H176C146 304 126 286 112 266z" fill="url(#hull)"/><path d="M118 274C180 284 310 286 370 276" stroke="#1c3f78" stroke-width="5" fill="none"/>
      <path d="M176 312C150 305 138 296 130 288C190 300 300 302 360 292C354 302 344 309 330 312z" fill="#a8231d"/><path d="M214 268L224 254H300L312 268z" fill="#f7f7f5" stroke="#b9bfc0"/><rect x="232" y="258" width="14" height="7" rx="3" fill="#2b3b4a"/><rect x="256" y="258" width="14" height="7" rx="3" fill="#2b3b4a"/><rect x="280" y="258" width="14" height="7" rx="3" fill="#2b3b4a"/>
      <path d="M112 304C150 318 190 312 240 318S350 310 388 300C360 326 300 326 240 326S140 324 112 304z" fill="#fff" opacity="0.6" filter="url(#soft)"/>`,
  }
}

function daisy() {
  const chance = sequence(51)
  const flower = (x, y, r, tilt) =>
    `<g transform="translate(${x} ${y}) scale(1 ${tilt})">
      ${each(2, (ring) => each(21, (petal) => {
        const angle = petal * (360 / 21) + ring * 8 + chance() * 4
        const length = r * (1 - ring * 0.06 + chance() * 0.06)
        return `<path transform="rotate(${angle})" d="M0 0C${-r * 0.13} ${-length * 0.45} ${-r * 0.12} ${-length * 0.92} 0 ${-length}C${r * 0.12} ${-length * 0.92} ${r * 0.13} ${-length * 0.45} 0 0z" fill="url(#petal${ring})" stroke="#c9cdd6" stroke-width="0.7"/>`
      }))}
      <circle r="${r * 0.3}" fill="#8a5a08" opacity="0.5" filter="url(#soft)"/><circle r="${r * 0.28}" fill="url(#heart)"/>
      ${each(340, (dot) => {
        const at = around(0, 0, r * 0.27 * Math.sqrt(dot / 340), dot * 137.5)
        return `<circle cx="${at.x}" cy="${at.y}" r="${r * (0.008 + (0.01 * dot) / 340)}" fill="${dot % 3 ? '#c98608' : '#ffe680'}"/>`
      })}</g>`
  return {
    defs:
      down('petal0', [[0, '#e4e7ee'], [1, '#b9c0cc']]) + down('petal1', [[0, '#ffffff'], [0.7, '#f7f8fb'], [1, '#ccd3dd']]) +
      outwards('heart', 0.4, 0.35, 0.75, [[0, '#ffe14a'], [0.6, '#f2b10c'], [1, '#b06f04']]) + blur('bokeh', 12) + blur('soft', 3),
    body:
      ground('#3c7030') + `<g filter="url(#bokeh)">${each(26, () => `<circle cx="${WIDTH * chance()}" cy="${HEIGHT * chance()}" r="${18 + 44 * chance()}" fill="hsl(${85 + 35 * chance()} 42% ${22 + 26 * chance()}%)"/>`)}<circle cx="70" cy="70" r="26" fill="#eef0ee"/><circle cx="420" cy="296" r="30" fill="#e9ecea"/></g>
      <path d="M250 190C262 260 258 320 250 370" stroke="#4f8a34" stroke-width="9" fill="none"/>` + flower(240, 172, 142, 0.94),
  }
}

