//go:build !race

package ring

// exploreShare divides the bounds of explorations.
const exploreShare = 1
