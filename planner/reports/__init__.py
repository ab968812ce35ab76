"""Reports of a plan: one terminal screen (`text`), one web page (`html`), charts for notebooks (`charts`)."""
