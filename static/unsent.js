// What was judged and not sent yet: kept in the browser for each person, shared by all tabs.

export const MOST_WAITING = 20;

export class Unsent {
  constructor(person) {
    this.place = `chosen-outbox-${person}`;
    this.changed = () => {};
    addEventListener("storage", (event) => {
      if (event.key === this.place) this.changed();
    });
  }

  get items() {
    return JSON.parse(localStorage.getItem(this.place) || "[]");
  }

  set items(items) {
    if (items.length) localStorage.setItem(this.place, JSON.stringify(items));
    else localStorage.removeItem(this.place);
    this.changed();
  }

  get isFull() {
    return this.items.length >= MOST_WAITING;
  }

  find(key) {
    return this.items.find((item) => item.key === key);
  }

  add(item) {
    this.items = [...this.items.filter((other) => other.key !== item.key), item];
  }

  remove(key) {
    this.items = this.items.filter((item) => item.key !== key);
  }
}
