"""What a loss over pairs of boxes computes, and what is wrong in it."""

from __future__ import annotations

from focalbench_suite.suites.explainer.words.template import Template

NO_NEIGHBOUR = 0.25  # of the norm: values that are further off are near to nothing

# what is wrong in a loss over pairs of boxes that is right otherwise
BOX_MISTAKES = {
    "sum_of_areas": "with the intersection over the sum of both areas, not over the union",
    "dice": "with twice the intersection over the sum of both areas (Dice) for the IoU",
    "smaller_area": "with the intersection over the smaller area, not over the union",
    "area_of_target": "with the intersection over the target's area, not over the union",
    "area_of_box": "with the intersection over the predicted box's area, not over the union",
    "area_of_hull": "with the intersection over the enclosing box's area, not over the union",
    "diagonal_of_target": "with the centres' distance over the diagonal of the target, not of the enclosing box",
    "diagonal_of_box": "with the centres' distance over the diagonal of the predicted box, not of the enclosing box",
    "diagonals_of_both": "with the centres' distance over both boxes' own diagonals, not over the enclosing box's",
    "diagonal_of_intersection": "with the centres' distance over the diagonal of the intersection, not of the "
    "enclosing box",
    "diagonal_unsquared": "with the squared distance of the centres over the diagonal, which is not squared",
    "distance_and_diagonal_unsquared": "with the distance of the centres over the diagonal, neither squared",
    "distance_unsquared": "with the distance of the centres, which is not squared, over the squared diagonal",
    "distance_over_hull": "with the centres' distance over the enclosing box's area, not over its squared diagonal",
    "distance_over_union": "with the centres' distance over the union, not over the enclosing box's squared diagonal",
    "distance_not_halved": "with four times the squared distance of the centres: the corners' sums are not halved",
    "distance_left_out": "without the centres' distance",
    "penalty_over_union": "whose penalty is divided by the union, not by the enclosing box",
    "penalty_of_intersection": "whose penalty is all of the enclosing box but the intersection, not but the union",
    "penalty_of_sum": "whose penalty is the enclosing box less the sum of both areas, not less the union",
    "penalty_over_diagonal": "whose penalty is divided by the enclosing box's squared diagonal, not by its area",
    "penalty_subtracted": "whose penalty is subtracted where it should be added",
    "v_of_4_over_pi": "with 4/pi, not 4/pi², in v",
    "v_of_1_over_pi_squared": "with 1/pi², not 4/pi², in v",
    "v_of_2_over_pi_squared": "with 2/pi², not 4/pi², in v",
    "v_of_8_over_pi_squared": "with 8/pi², not 4/pi², in v",
    "v_without_constant": "without the 4/pi² in v",
    "trade_off_of_iou": "with the trade-off v / (IoU + v), not v / (1 - IoU + v)",
    "trade_off_left_out": "without the trade-off before v",
    "trade_off_through_v": "whose gradient goes through the v of the trade-off, which the paper takes as a constant",
    "v_constant": "whose gradient goes through the trade-off and not through v, the other way round",
    "v_of_ratios": "whose v compares the aspect ratios themselves, without the arctangent",
    "sides_over_diagonal": "with widths and heights over the enclosing box's squared diagonal, not over its sides",
    "sides_over_target": "with widths and heights over the target's, not over the enclosing box's",
    "sides_over_unsquared": "with squared widths and heights over the enclosing box's, which are not squared",
    "centres_for_sides": "with the centres' distances over the enclosing box's sides where widths and heights belong",
    "sides_unsquared": "with widths and heights over the enclosing box's, neither squared",
    "pixel": "of boxes whose sides it counts 1 longer than they are (+ 1)",
    "pixel_of_overlap": "whose overlap is that of boxes with sides 1 longer than they are (+ 1)",
    "uncut": "whose intersection is not cut off at 0: boxes apart along both axes share an area",
    "cut_as_a_whole": "whose intersection is cut off at 0 as a product: boxes apart along both axes share an area",
    "corners_as_coco": "of corners that it takes for x, y, width and height",
    "corners_as_centres": "of corners that it takes for centre, width and height",
}
# a loss over pairs of boxes
BOXES: dict[str, Template] = {
    "other_overlap": "computes {factor}the loss of {other} in place of that of {wanted}",
    "box_scaled": "computes {scale:.4g} times the loss",
    "box_logarithm": "computes minus the logarithm of the IoU in place of the loss of {wanted}",
    "box_power": "computes 1 - IoU^{power:.4g} in place of the loss of {wanted}",
    "box_trade_off": "the gradient goes through the trade-off, which the paper takes as a constant",
    "box_no_gradient": "the value is that of {other}, and there is no gradient to the boxes",
    "box_gradient": "the value is that of {other}, the gradient another: off by {share:.2g} of its norm",
    "box_unknown": lambda values: (
        "no known loss"
        if values["share"] > NO_NEIGHBOUR
        else f"no known loss; its values are nearest to those of {values['nearest']}, off by {values['share']:.2g} of "
        "their norm"
    ),
    "box_nonfinite": "the {quantity} for boxes that are {probe} is NaN or infinite in {dtype}",
    "box_precision": "the {quantity} for boxes that are {probe} is off by {share:.2g} of its size in {dtype}",
    "box_raises": "raises for boxes that are {probe} in {dtype}: {error}",
    "box_changed": "changes its arguments",
    "box_dtype": "returns {dtype} for float64 boxes",
    "box_reduction": "reduces by {reduction}, not by {wanted}",
    "box_parts_of_power": "computes {factor}alpha-{other}, each part to the power {power:.4g}{told}, in place of the "
    "loss of {wanted}",
    "box_weighted": "computes {factor}the loss of {other} times IoU^{power:.4g}{held}, in place of that of {wanted}",
    "box_epsilon": "adds {constant:g} {where}: the {quantity} for boxes that are {probe} is off by {share:.2g} of its "
    "size in {dtype}",
    "box_added": "adds {constant:g} {where}",
    "box_constant": "computes {factor}the loss of {other}, with {constant:g} added {where}, in place of that of "
    "{wanted}",
    "box_family": "computes {told} in place of the loss of {wanted}",
    "box_mean_of_four": "takes the mean over the four coordinates, a quarter of their sum",
    "box_smooth": "computes {factor}smooth L1 with beta {beta:.4g}, {over} the four coordinates, in place of {wanted}",
    "box_huber": "computes the Huber loss with delta {beta:.4g}, {over} the four coordinates, in place of {wanted}",
    **{
        f"box_{code}": f"computes {{factor}}the loss of {{other}}{{instead}}, {told}"
        for code, told in BOX_MISTAKES.items()
    },
}
