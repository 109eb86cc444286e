// A domain's devices: a list with what each is, detaching by alias, attaching from XML.

import { request } from "./actions.js";
import { addressOf, api } from "./api.js";
import { ask } from "./dialogs.js";
import { button, element } from "./element.js";

const EXAMPLE = `<disk type='file' device='disk'>
  <source file='/images/extra.img'/>
  <target dev='vdb' bus='virtio'/>
</disk>`;
const AFFECT = [
  ["current", "as it is now: live while it runs, else its definition"], ["live", "only while it runs"],
  ["config", "only its definition"], ["both", "both"],
];
/** Attributes that say which one a device is, by element, best first. */
const TELLING = [
  ["target", "dev"], ["mac", "address"], ["source", "file"], ["source", "dev"], ["source", "network"],
  ["source", "bridge"], ["source", "name"], ["model", "type"], ["", "model"], ["", "type"],
];

/** What a device is, in a few words out of its model. */
export function about({ model }) {
  const found = TELLING.map(([child, attribute]) => (child ? model[child] : model)?.[attribute])
    .filter((word) => typeof word === "string" && word);
  return [...new Set(found)].slice(0, 3).join(", ");
}

/** The list, for the domain's panel. */
export function deviceList(domain, devices, { hosts, jobs }) {
  const mayDetach = api.may("device:detach");
  const detachable = hosts.offers(domain.host, "device.detach");
  const items = devices.map((device) => element("li", { class: device.pending ? "device pending" : "device" },
    element("span", { class: "kind" }, device.kind),
    element("span", { class: "alias" }, device.alias ?? "no alias"),
    element("span", { class: "what" }, about(device)),
    device.pending ? element("span", { class: "mark" }, "waits for the guest to let go of it") : null,
    mayDetach && device.alias ? button("Detach", () => detach(domain, device, jobs), {
      "aria-label": `Detach ${device.alias}`, disabled: !detachable || device.pending, class: "small",
    }) : null));
  return [
    api.may("device:attach") ? element("p", {}, button("Attach a device…", () => attach(domain, jobs), {
      id: "attach", "aria-haspopup": "dialog", disabled: !hosts.offers(domain.host, "device.attach"),
    })) : null,
    items.length ? element("ul", { class: "devices" }, items) : element("p", {}, "It has no devices."),
  ];
}

async function detach(domain, device, jobs) {
  const question = element("p", {}, `The guest is asked to let go of this ${device.kind}; the job ends when it has.`);
  if (!await ask(`Detach ${device.alias} from ${domain.name}?`, [question], { confirm: "Detach" })) return;
  await request(`Detach ${device.alias} from ${domain.name}`, jobs,
    () => api.change("DELETE", `${addressOf(domain)}/devices/${encodeURIComponent(device.alias)}`));
}

/** Ask for a device's XML and attach it. A refusal is shown in the dialog, where it can be mended. */
export async function attach(domain, jobs) {
  const text = element("textarea", {
    id: "attach-xml", rows: 9, spellcheck: false, required: true, placeholder: EXAMPLE, "aria-describedby": "attach-fault",
  });
  const affect = element("select", { id: "attach-affect" },
    AFFECT.map(([value, meaning]) => element("option", { value }, `${value}: ${meaning}`)));
  const fault = element("p", { id: "attach-fault", class: "fault", role: "alert" });
  const check = async () => {
    fault.textContent = "";
    try {
      const query = { affect: affect.value };
      jobs.own(await api.change("POST", `${addressOf(domain)}/devices`, { query, xml: text.value }));
      return true;
    } catch (problem) {
      fault.textContent = [problem.message, problem.hint].filter(Boolean).join(" – ");
      text.focus();
      return false;
    }
  };
  await ask(`Attach a device to ${domain.name}`, [
    element("label", { for: "attach-xml" }, "The device, as libvirt's XML"), text,
    element("label", { for: "attach-affect" }, "For the domain"), affect, fault,
  ], { confirm: "Attach", check });
}
