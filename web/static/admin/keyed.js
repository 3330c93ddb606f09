/**
 * Keeps a list of elements in step with a list of items: what stays keeps its element, so that a click, the focus and a
 * selection survive.
 *
 * @template Item
 * @param {Element} host
 * @param {readonly Item[]} items
 * @param {object} how
 * @param {(item: Item) => string} how.key
 * @param {(item: Item) => Element} how.make
 * @param {(element: any, item: Item) => void} how.update
 */
export function keyed(host, items, { key, make, update }) {
  const known = new Map([...host.children].map((child) => [child.getAttribute("data-key"), child]));
  let place = host.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let child = known.get(name);
    if (!child) {
      child = make(item);
      child.setAttribute("data-key", name);
    }
    known.delete(name);
    if (child === place) place = place.nextElementSibling;
    else host.insertBefore(child, place);
    update(child, item);
  }
  for (const gone of known.values()) gone.remove();
}
