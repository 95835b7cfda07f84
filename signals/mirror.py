"""Which channels change sign between a left and a right leg.

Joint angles and moments are anatomical: flexion is flexion on both sides, and nothing changes.
What is in axes of a sensor, of the walkway or of the whole body changes as under a reflection in
the sagittal plane. Sensor axes are those of the ISB for segments (Wu and Cavanagh, J Biomech
28(10), 1995): x forwards, y up along the segment, z to the person's right, on both sides.
"""

from __future__ import annotations

from kinefed.datasets.channels import ChannelName

# Sideways components of ordinary vectors; of rotations it is the other two that change.
_SIDEWAYS = {
    "acc": ("z",),
    "gyro": ("x", "y"),
    "mag": ("x", "y"),
    "grf": ("lateral",),
    "cop": ("lateral",),
}
# Trunk and pelvis move towards a side: right on one leg's terms is left on the other's.
_BODY = ("_list", "_rotation", "_bending")
_BODY_KINDS = ("angle", "velocity", "acceleration", "torque")


def mirror_sign(channel: ChannelName) -> float:
    """Give the factor, -1 or 1, that makes a left leg's channel look like a right leg's.

    Parameters
    ----------
    channel
        As it is stored, with its side, or without one for the midline.
    """
    if channel.kind in _SIDEWAYS:
        return -1.0 if channel.axis in _SIDEWAYS[channel.kind] else 1.0
    if channel.kind == "free_moment":
        return -1.0
    midline = channel.side is None and channel.kind in _BODY_KINDS
    return -1.0 if midline and channel.site.endswith(_BODY) else 1.0
