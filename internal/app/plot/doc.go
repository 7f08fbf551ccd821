// Package plot draws eddy's figures: charts of series over an axis, heat maps and rings of nodes, to an SVG or PNG file or as text for a
// terminal. The same data gives the same bytes.
//
// A figure is one or more panels, laid out in a grid in one file:
//
//		err := plot.Save("course.svg", plot.Chart{
//			Title: "Distribution time", XLabel: "peers", YLabel: "hours", YMin0: true,
//			Series: []plot.Series{{Name: "client-server", X: peers, Y: cs}, {Name: "P2P", X: peers, Y: p2p}},
//		})
//
//	  - chart.go, heatmap.go and ring.go hold the kinds of panel and how they are drawn; frame.go the axes, grid and legend around a chart;
//	  - scale.go chooses ranges and ticks, style.go the colours and fonts;
//	  - save.go lays panels out and writes the file, terminal.go and ring_terminal.go draw with characters.
//
// Series of the same name have the same colour in all panels of a file. Colours are told apart by people with any of the usual
// colour-vision deficiencies, and point shapes differ as well. Points that are not finite (or not positive on a logarithmic axis) leave
// a gap; they are never an error.
//
// Fonts: PNG files are drawn with Liberation Sans, which is in the binary. SVG files name it, then Arial and Helvetica, whose letters are
// as wide, so that texts fit where it is not installed.
package plot
