#pragma once

namespace salus::report {

/// CSS of the report's page; colours come from plot_style().
inline constexpr const char* kPageStyle = R"(*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);line-height:1.5;
font:15px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 24px 56px}
header{display:flex;justify-content:space-between;align-items:flex-end;gap:24px;flex-wrap:wrap;
border-bottom:3px solid var(--s1);padding-bottom:14px;margin-bottom:22px}
h1{font-size:29px;line-height:1.15;margin:0 0 4px;letter-spacing:-.01em}
h2{font-size:19px;margin:34px 0 12px}h3{font-size:15px;margin:0 0 8px}
.soft{color:var(--soft)}.small{font-size:13px}.brand{font-weight:700;letter-spacing:.14em;color:var(--s1)}
.cards{display:grid;grid-template-columns:repeat(4,1fr);gap:12px}
@media (max-width:760px){.cards{grid-template-columns:repeat(2,1fr)}}
.card,figure,.panel{background:var(--paper);border:1px solid var(--rule);border-radius:10px}
.card{padding:13px 15px}.card .name{font-size:13px;color:var(--soft)}
.card .value{font-size:28px;font-weight:680;line-height:1.25;font-variant-numeric:tabular-nums}
.card .interval{font-size:13px;color:var(--soft);font-variant-numeric:tabular-nums}
.card .absent{font-size:13px;margin-top:6px}
.range{position:relative;height:5px;border-radius:3px;background:var(--rule);margin-top:9px}
.range i{position:absolute;top:0;bottom:0;border-radius:3px;background:var(--s1);opacity:.45;min-width:3px}
.range b{position:absolute;top:-3px;width:3px;height:11px;border-radius:2px;background:var(--s1)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(400px,1fr));gap:16px}
figure{margin:0;padding:14px 16px 10px}figcaption{font-weight:620;margin-bottom:6px}
.panel{padding:4px 16px;overflow-x:auto}.panel.padded{padding:14px 16px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th,td{padding:8px 10px 8px 0;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th{font-size:12.5px;color:var(--soft);font-weight:600}td:first-child,th:first-child{text-align:left}
tr:last-child td{border-bottom:0}td .i{display:block;color:var(--soft);font-size:12px}
.facts td:last-child{text-align:left;white-space:normal;overflow-wrap:anywhere}
.facts td:first-child{color:var(--soft);width:190px;vertical-align:top}
.facts code{font:13px ui-monospace,"SF Mono",Menlo,Consolas,monospace}
.cases{display:grid;grid-template-columns:repeat(auto-fill,minmax(190px,1fr));gap:14px}
.case{background:var(--paper);border:1px solid var(--rule);border-radius:10px;overflow:hidden}
.case .pictures{display:flex;background:#000}
.case img{display:block;flex:1 1 0;min-width:0;width:100%;aspect-ratio:1;object-fit:contain;image-rendering:auto}
.case p{margin:0;padding:9px 12px 11px;font-size:13px;overflow-wrap:anywhere}
.case .soft{font-size:12px}
.tag{display:inline-block;padding:1px 8px;border-radius:9px;font-size:12px;font-weight:600;color:var(--paper)}
.tag.positive{background:var(--s2)}.tag.negative{background:var(--s4)}.tag.other{background:var(--soft)}
ul{margin:0;padding-left:20px}li{margin:4px 0}details{margin-top:12px}
summary{cursor:pointer;font-weight:620;padding:6px 0}
@media print{body{background:#fff}main{max-width:none;padding:0}figure,.card,.case,.panel{break-inside:avoid}}
@media (max-width:500px){.plots{grid-template-columns:1fr}})";

}  // namespace salus::report
