// Follows a link to the customer center. Its secret stands behind the # of the address, where no server log sees it.
"use strict";
{
  const secret = location.hash.slice(1);
  history.replaceState(null, "", location.pathname + location.search);
  if (secret) {
    const form = document.getElementById("open");
    form.elements.link.value = secret;
    form.submit();
  } else {
    document.title = document.querySelector("#message h1").textContent;
    document.getElementById("opening").hidden = true;
    document.getElementById("message").hidden = false;
  }
}
