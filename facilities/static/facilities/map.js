/* Draws the registry's map, and the small one of a facility's page. Nothing is loaded from elsewhere: no tiles, only lines and names. */
(() => {
    "use strict";

    const KENYA = {south: -4.7, north: 5.5, west: 33.9, east: 41.9};
    const STEPS = [1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001]; // degrees between lines: each degree, finer ones as one zooms in
    const ROOM = 56; // pixels that a line's degrees want
    const GAPS = [14, 26]; // pixels between the middle of a county and its name
    const STILL = 300; // milliseconds
    const KINDS = { // letter and words beside the colour of map.css
        health: ["H", "Health"], police: ["P", "Police"], legal: ["L", "Legal aid"], support: ["S", "Support organisation"],
        office: ["G", "Government office"], shelter: ["R", "Shelter or rescue centre"], other: ["O", "Other, or not known"],
    };
    const ACCURACIES = {exact: "exact position", approximate: "approximate position", "place-centre": "centre of its town or ward"};
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;

    const knownKind = (kind) => (Object.hasOwn(KINDS, kind) ? kind : "other");

    function element(tag, text, attributes = {}) {
        const made = document.createElement(tag);
        made.textContent = text;
        Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
        return made;
    }

    function makeMap(where, options = {}) {
        const map = L.map(where, {
            attributionControl: false, minZoom: 5, maxZoom: 17, zoomSnap: 0.25,
            fadeAnimation: !calm, zoomAnimation: !calm, markerZoomAnimation: !calm, ...options,
        });
        for (const [name, depth] of [["lines", 200], ["names", 350]]) {
            map.createPane(name).style.zIndex = depth;
            map.getPane(name).style.pointerEvents = "none";
        }
        L.control.scale({imperial: false}).addTo(map);
        map.on("popupopen", ({popup}) => popup.getElement().querySelector(".leaflet-popup-content a")?.focus({preventScroll: true}));
        where.addEventListener("keydown", ({key}) => key === "Escape" && closePopup(map));
        new ResizeObserver(() => map.invalidateSize()).observe(where); // a tab that opens gives it its size
        return map;
    }

    /* Closes the popup and goes back to what it was opened from. */
    function closePopup(map) {
        const opener = map._popup?._source?.getElement();
        map.closePopup();
        opener?.focus({preventScroll: true});
    }

    /* Lines of latitude and longitude over Kenya, with their degrees at the edge of what is seen. */
    function drawGraticule(map) {
        const drawn = L.layerGroup().addTo(map);
        const draw = () => {
            drawn.clearLayers();
            const seen = map.getBounds();
            const south = Math.max(KENYA.south, seen.getSouth()), north = Math.min(KENYA.north, seen.getNorth());
            const west = Math.max(KENYA.west, seen.getWest()), east = Math.min(KENYA.east, seen.getEast());
            if (south >= north || west >= east) return;
            const pixels = map.project([0, 1]).x - map.project([0, 0]).x; // of a degree
            const step = [...STEPS].reverse().find((size) => size * pixels >= ROOM) ?? 1;
            const each = Math.ceil(ROOM / (step * pixels)); // of the lines has its degrees written
            const edge = map.containerPointToLatLng([4, map.getSize().y - 40]); // room for the scale below
            for (let n = Math.ceil(south / step); n * step <= north; n += 1) {
                addLine(drawn, [[n * step, west], [n * step, east]]);
                if (n % each) continue;
                addName(drawn, degrees(n * step, step, "N", "S"), [n * step, Math.max(west, edge.lng)], {className: "map-degree", anchor: [0, 14]});
            }
            for (let n = Math.ceil(west / step); n * step <= east; n += 1) {
                addLine(drawn, [[south, n * step], [north, n * step]]);
                if (n % each) continue;
                addName(drawn, degrees(n * step, step, "E", "W"), [Math.max(south, edge.lat), n * step], {className: "map-degree", anchor: [-3, 14]});
            }
        };
        map.on("moveend resize", draw);
        draw();
    }

    function addLine(drawn, ends) {
        L.polyline(ends, {className: "graticule", interactive: false, pane: "lines", noClip: true}).addTo(drawn);
    }

    function degrees(value, step, above, below) {
        if (Math.abs(value) < step / 2) return element("span", "0°");
        const digits = step >= 1 ? 0 : String(step).split(".")[1].length;
        return element("span", `${Math.abs(value).toFixed(digits)}° ${value > 0 ? above : below}`);
    }

    function addName(drawn, html, at, {className, anchor}) {
        const icon = L.divIcon({className, html, iconSize: null, iconAnchor: anchor});
        return L.marker(at, {icon, interactive: false, keyboard: false, pane: "names"}).addTo(drawn);
    }

    /* The counties' names, each beside its middle where it covers nothing; one without room is left out until one zooms in. */
    function drawCounties(map, counties) {
        const names = counties.map((county) => {
            const text = element("span", county.name);
            if (county.confidential) text.append(element("small", `${county.confidential} confidential`));
            return addName(map, text, [county.latitude, county.longitude], {className: "map-county", anchor: [0, 0]});
        });
        const place = () => {
            const taken = [...map.getContainer().querySelectorAll(".map-marker, .map-cluster, .map-degree")]
                .map((other) => other.getBoundingClientRect());
            names.forEach((name) => placeName(name.getElement(), taken));
        };
        let waiting;
        const placeWhenStill = () => { // clusters part and join as one zooms
            clearTimeout(waiting);
            waiting = setTimeout(place, STILL);
        };
        map.on("moveend resize layeradd layerremove", placeWhenStill);
        map.getContainer().addEventListener("transitionend", placeWhenStill);
        place();
    }

    /* Moves a name to the first side of its middle where it covers nothing taken, and takes that; hides it if there is none. */
    function placeName(holder, taken) {
        const middle = holder.getBoundingClientRect(), {offsetWidth: width, offsetHeight: height} = holder.firstChild;
        const sides = GAPS.flatMap((gap) => {
            const [left, centre, right] = [-width - gap, -width / 2, gap], [above, beside, below] = [-height - gap, -height / 2, gap];
            return [[centre, below], [centre, above], [right, beside], [left, beside], [right, below], [left, below], [right, above], [left, above]];
        });
        const boxOf = ([x, y]) => ({
            left: middle.left + x, right: middle.left + x + width, top: middle.top + y, bottom: middle.top + y + height,
        });
        const isFree = (box) => !taken.some((other) => box.left < other.right && other.left < box.right
            && box.top < other.bottom && other.top < box.bottom);
        const side = sides.find((offset) => isFree(boxOf(offset)));
        holder.classList.toggle("is-hidden", !side);
        if (!side) return;
        holder.firstChild.style.transform = `translate(${side[0]}px, ${side[1]}px)`;
        taken.push(boxOf(side));
    }

    const icons = {}; // a few serve thousands of places

    function iconOf(kind, accuracy) {
        icons[`${kind} ${accuracy}`] ??= L.divIcon({
            className: `map-marker kind-${kind} is-${accuracy}`, html: `<span aria-hidden="true">${KINDS[kind][0]}</span>`,
            iconSize: [24, 24], popupAnchor: [0, -10],
        });
        return icons[`${kind} ${accuracy}`];
    }

    function makeMarker(at, {name, kind, accuracy}) {
        const said = `${name}, ${KINDS[kind][1]}, ${ACCURACIES[accuracy] ?? accuracy}`;
        const marker = L.marker(at, {icon: iconOf(kind, accuracy), title: name, alt: said});
        marker.on("add", () => marker.getElement().setAttribute("aria-label", said)); // leaflet gives "alt" to pictures only
        return marker;
    }

    function describe(point, type, links) {
        const [latitude, longitude, name, pk, , status, accuracy, place] = point;
        const box = document.createElement("div");
        box.append(element("b", name), element("p", type?.name ?? "Type not known"), element("p", place));
        box.append(element("p", `${status} · ${ACCURACIES[accuracy] ?? accuracy}`));
        box.append(element("a", "Its page", {href: links.page.replace("/0/", `/${pk}/`)}));
        if (links.findHelp) {
            box.append(" · ", element("a", "Find help near it", {href: `${links.findHelp}?near=${latitude},${longitude}`}));
        }
        return box;
    }

    function makeClusters(whenDone) {
        return L.markerClusterGroup({
            chunkedLoading: true, chunkProgress: (done, all) => all && done === all && setTimeout(whenDone), // it draws after it says so
            maxClusterRadius: 50, showCoverageOnHover: false, animate: !calm, animateAddingMarkers: false,
            iconCreateFunction: (cluster) => {
                const count = cluster.getChildCount(), size = count > 99 ? 38 : 30;
                const html = element("span", String(count));
                html.append(element("span", " places, zoom in", {class: "sr-only"}));
                return L.divIcon({className: `map-cluster${count > 99 ? " is-many" : ""}`, html, iconSize: [size, size]});
            },
        });
    }

    function listKinds(counts) {
        const list = document.getElementById("map-kinds");
        for (const [kind, [letter, words]] of Object.entries(KINDS)) {
            if (!counts[kind]) continue;
            const item = element("li", "");
            item.append(element("span", letter, {class: `map-marker is-exact kind-${kind}`, "aria-hidden": "true"}));
            item.append(element("span", `${words} (${counts[kind]})`));
            list.append(item);
        }
        if (!list.children.length) list.append(element("li", "None on the map"));
    }

    async function showRegistry(where) {
        const message = document.getElementById("map-message");
        const links = {page: where.dataset.page, findHelp: where.dataset.findHelp};
        const kenya = L.latLngBounds([KENYA.south, KENYA.west], [KENYA.north, KENYA.east]);
        const map = makeMap(where).fitBounds(kenya);
        drawGraticule(map);
        drawCounties(map, JSON.parse(document.getElementById("map-counties").textContent));
        message.textContent = "Loading the places …";
        let found;
        try {
            const answer = await fetch(where.dataset.points, {headers: {Accept: "application/json"}});
            if (!answer.ok) throw new Error(String(answer.status));
            found = await answer.json();
        } catch {
            message.textContent = "The places could not be loaded. Load the page again, or open the list.";
            return;
        }
        const counts = {};
        const markers = found.points.map((point) => {
            const type = found.types[point[4]], kind = knownKind(type?.kind);
            counts[kind] = (counts[kind] ?? 0) + 1;
            const marker = makeMarker([point[0], point[1]], {name: point[2], kind, accuracy: point[6]});
            return marker.bindPopup(() => describe(point, type, links));
        });
        if (markers.length) {
            const all = L.latLngBounds(markers.map((marker) => marker.getLatLng()));
            map.fitBounds(all, {padding: [40, 40], maxZoom: 10, animate: false});
        }
        const tell = () => {
            message.textContent = markers.length ? "" : "No open place of this selection has a known position.";
        };
        makeClusters(tell).addTo(map).addLayers(markers);
        if (!markers.length) tell();
        listKinds(counts);
    }

    function showOne(where) {
        const {latitude, longitude, name, kind, accuracy, counties} = where.dataset;
        const at = [Number(latitude), Number(longitude)];
        const map = makeMap(where, {scrollWheelZoom: false}).setView(at, 7.5);
        drawGraticule(map);
        makeMarker(at, {name, kind: knownKind(kind), accuracy}).addTo(map);
        drawCounties(map, JSON.parse(counties));
    }

    document.addEventListener("DOMContentLoaded", () => {
        const registry = document.getElementById("registry-map");
        if (registry) showRegistry(registry);
        document.querySelectorAll(".registry-map.is-small").forEach(showOne);
    });
})();
