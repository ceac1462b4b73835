// The constituency's and the ward's autocomplete ask for what lies inside the places that the form has chosen already.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
    const $ = window.django && window.django.jQuery;
    if (!$) return;
    const chosen = (name) => {
        const field = document.getElementById(`id_${name}`);
        return field && field.value ? `&${name}=${encodeURIComponent(field.value)}` : "";
    };
    $.ajaxPrefilter((options) => {
        if (!String(options.url).endsWith("/autocomplete/")) return;
        if (/field_name=constituency\b/.test(options.data)) options.data += chosen("county");
        if (/field_name=ward\b/.test(options.data)) options.data += chosen("county") + chosen("constituency");
    });
    const clear = (names) => names.forEach((name) => $(`#id_${name}`).val(null).trigger("change.select2"));
    $("#id_county").on("select2:select select2:clear", () => clear(["constituency", "ward"]));
    $("#id_constituency").on("select2:select select2:clear", () => clear(["ward"]));
});
