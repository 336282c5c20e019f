const viewed = stored("viewer-data");
if (viewed && (viewed.groups.length || viewed.selection)) new Viewer(document.getElementById("viewer"), viewed);
const curvesData = stored("curves-data");
if (curvesData) drawCurves(curvesData);
